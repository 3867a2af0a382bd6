//! Languages: cards name them as they like (`fr`, `fra`, `fr-CA`), facets by ISO 639-3.

/// ISO 639-1 and the ISO 639-3 code of the same language; the macrolanguage where there is one.
const TWO_LETTERS: &str = "aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel \
bg:bul bi:bis bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre cs:ces cu:chu cv:chv cy:cym da:dan de:deu \
dv:div dz:dzo ee:ewe el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla \
gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye hz:her ia:ina id:ind ie:ile ig:ibo ii:iii \
ik:ipk io:ido is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas \
ku:kur kv:kom kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd ml:mal \
mn:mon mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno no:nor nr:nbl nv:nav ny:nya oc:oci oj:oji \
om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron ru:rus rw:kin sa:san sc:srd sd:snd se:sme \
sg:sag si:sin sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha \
ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln \
wo:wol xh:xho yi:yid yo:yor za:zha zh:zho zu:zul";

/// ISO 639-2/B codes, and members of a macrolanguage that cards name instead of it.
const OTHERS: &str = "alb:sqi arm:hye baq:eus bur:mya chi:zho cze:ces dut:nld fre:fra geo:kat ger:deu gre:ell ice:isl mac:mkd \
mao:mri may:msa per:fas rum:ron slo:slk tib:bod wel:cym swh:swa arb:ara cmn:zho pes:fas";

/// Returns the ISO 639-3 code of a language as a card names it; nothing for what is no code.
pub fn language_code(name: &str) -> Option<String> {
    let main = name.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let is_code = matches!(main.len(), 2 | 3) && main.bytes().all(|byte| byte.is_ascii_lowercase());
    let listed = || {
        let pairs = TWO_LETTERS.split_ascii_whitespace().chain(OTHERS.split_ascii_whitespace());
        pairs.filter_map(|pair| pair.split_once(':')).find(|(from, _)| *from == main).map(|(_, to)| to.to_owned())
    };
    match is_code {
        true => listed().or_else(|| (main.len() == 3).then_some(main.clone())),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::language_code;

    #[test]
    fn names_of_languages_become_one_code() {
        for (name, code) in [
            ("fr", Some("fra")),
            ("fr-CA", Some("fra")),
            ("FRE", Some("fra")),
            ("zh_Hant", Some("zho")),
            ("ckb", Some("ckb")),
            ("swh", Some("swa")),
            ("code", None),
            ("multilingual", None),
            ("xx", None),
            ("é", None),
        ] {
            assert_eq!(language_code(name).as_deref(), code, "{name}");
        }
    }
}
