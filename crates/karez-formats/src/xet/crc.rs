//! CRC-64/NVME, the checksum of upload grants.

/// Computes the CRC-64/NVME of a stream. It finds accidents, not attacks: hashes decide.
#[derive(Debug)]
pub struct Crc64Nvme(crc_fast::Digest);

impl Default for Crc64Nvme {
    fn default() -> Crc64Nvme {
        Crc64Nvme::new()
    }
}

impl Crc64Nvme {
    /// Returns a digest that has seen nothing.
    pub fn new() -> Crc64Nvme {
        Crc64Nvme(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme))
    }

    /// Takes the next bytes.
    pub fn push(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Returns the checksum; grants carry it as a decimal number.
    pub fn finish(self) -> u64 {
        self.0.finalize()
    }

    /// Returns the checksum of bytes that are all at hand.
    pub fn of(data: &[u8]) -> u64 {
        let mut digest = Crc64Nvme::new();
        digest.push(data);
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(Crc64Nvme::of(b"123456789"), 0xAE8B_1486_0A79_9888);
    }
}
