//! Byte grouping: the first bytes of all 4-byte groups, then the second ones, and so on. Weights
//! compress better this way, because the exponents of neighbours are alike and their mantissas not.

/// Undoes the grouping: writes to `raw` the bytes that were grouped into `grouped`.
///
/// Both must have the same length.
pub(super) fn regroup(grouped: &[u8], raw: &mut [u8]) {
    assert_eq!(grouped.len(), raw.len(), "grouping keeps the length");
    let [first, second, third, fourth] = planes(grouped);
    let (quads, tail) = raw.as_chunks_mut::<4>();
    // Equal lengths that the compiler can see make this a vectorised four-way interleave.
    let count = quads.len();
    let (a, b, c, d) = (&first[..count], &second[..count], &third[..count], &fourth[..count]);
    for position in 0..count {
        quads[position] = [a[position], b[position], c[position], d[position]];
    }
    for (byte, plane) in tail.iter_mut().zip([first, second, third]) {
        *byte = plane[count];
    }
}

/// Cuts grouped bytes into the four planes; the earlier ones hold the bytes of an incomplete last group.
fn planes(grouped: &[u8]) -> [&[u8]; 4] {
    let whole = grouped.len() / 4;
    let extra = grouped.len() % 4;
    let (first, rest) = grouped.split_at(whole + usize::from(extra > 0));
    let (second, rest) = rest.split_at(whole + usize::from(extra > 1));
    let (third, fourth) = rest.split_at(whole + usize::from(extra > 2));
    [first, second, third, fourth]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Groups bytes, the slow way.
    pub(crate) fn group(raw: &[u8]) -> Vec<u8> {
        (0..4).flat_map(|plane| raw.iter().skip(plane).step_by(4).copied()).collect()
    }

    #[test]
    fn regroup_undoes_group_at_every_length() {
        for len in (0..300).chain([65_535, 65_536, 65_537, 131_072]) {
            let raw: Vec<u8> = (0..len).map(|n: usize| (n * 31 + n / 7) as u8).collect();
            let mut back = vec![0; len];
            regroup(&group(&raw), &mut back);
            assert!(back == raw, "{len} bytes");
        }
    }
}
