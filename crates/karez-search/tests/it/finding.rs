//! Words in many scripts, names, labels, typos.

use karez_search::{SearchDoc, SearchQuery, Way};

use crate::{card, everybody, found, ids, index_of};

#[test]
fn words_are_found_in_every_script() {
    for (text, queries) in [
        ("设备维修信息和故障图像数据集", &["维修", "维修信息", "图像", "数据集", "故障图像", "维", "维修数据集"][..]),
        ("ชุดข้อมูลภาพถ่ายใบข้าวสำหรับการจำแนกโรค", &["ใบข้าว", "ข้อมูล", "ภาพถ่าย", "โรค", "การจำแนกโรค", "ข้อมูลภาพใบข้าว"]),
        (
            "مجموعة بيانات اللغة العربية للترجمة الآلية",
            &["اللغة", "لغة", "بيانات", "البيانات", "ترجمة", "آلية", "العربيّة"],
        ),
        ("የአማርኛ ቋንቋዎች የጤና መረጃ እና ሐኪሞች", &["አማርኛ", "ቋንቋ", "ጤና", "መረጃዎች", "ሃኪም", "ሐኪም"]),
        ("हिन्दी भाषाओं के लिए प्रश्न और उत्तर", &["हिन्दी", "भाषा", "प्रश्न", "प्रश्नों", "उत्तर"]),
        (
            "Корпус параллельных текстов на русском языке",
            &["корпус", "КОРПУСА", "параллельный", "тексты", "язык", "русский"],
        ),
        (
            "Corpus d'évaluation des modèles de santé maternelle",
            &["evaluation", "modele", "santé", "sante", "maternelles"],
        ),
        ("Takwimu za kilimo na picha za majani ya mahindi", &["kilimo", "picha", "mahindi", "takwimu za mahindi"]),
        (
            "Satellite images of maize fields in dry seasons",
            &["satellite image", "field", "season", "MAIZE", "seasons"],
        ),
        ("বাংলা ভাষার তথ্য", &["বাংলা", "তথ্য"]),
        ("日本語の画像データセット", &["画像", "データ", "日本語"]),
        ("한국어 의료 데이터를 위한 모델", &["의료", "데이터", "한국어"]),
        ("ອັກສອນລາວ ຊຸດຂໍ້ມູນ", &["ຂໍ້ມູນ"]),
        ("Ελληνικά κείμενα", &["ελληνικα", "ΚΕΊΜΕΝΑ"]),
    ] {
        let index = index_of(vec![card(1, "a", text), card(2, "b", "nothing of all that")]);
        for query in queries {
            assert_eq!(found(&index, query), [1], "{query} in {text}");
        }
        assert!(found(&index, "xyzzy").is_empty());
    }
}

#[test]
fn names_are_found_as_people_type_them() {
    let names =
        ["Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B", "Qwen/Qwen2.5-0.5B", "paddle/PaddleOCR-v4", "alice/d10", "alice/e1"];
    let docs = (1..).zip(names).map(|(id, name)| card(id, name, "")).collect();
    let index = index_of(docs);
    for (query, expected) in [
        ("qwen3-0.6", &[1][..]),
        ("qwen3", &[1, 2]),
        ("qwen 3", &[1, 2]),
        ("Qwen/Qwen3-0.6B", &[1]),
        ("qwen30.6b", &[1]),
        ("paddle-ocr", &[4]),
        ("paddleocr v4", &[4]),
        ("paddl", &[4]),
        ("alice/d", &[5]),
        ("alice/", &[5, 6]),
        // Only the middle of a name is remembered.
        ("wen2", &[3]),
        ("%", &[]),
        ("qwen4", &[]),
    ] {
        let mut found = found(&index, query);
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn labels_lead_to_codes_and_to_other_languages() {
    let tagged = SearchDoc { free_tags: vec!["Malaria".into()], ..card(1, "tagged", "") };
    let task = SearchDoc { tasks: vec!["translation".into()], ..card(2, "task", "") };
    let goal = SearchDoc { sdgs: vec![3], languages: vec!["amh".into()], ..card(3, "goal", "") };
    let index = index_of(vec![tagged, task, goal, card(4, "text", "Blood smears of malaria patients")]);
    for (query, expected) in [
        ("paludisme", &[1, 4][..]),
        ("疟疾", &[1, 4]),
        ("малярии", &[1, 4]),
        ("ወባ", &[1, 4]),
        ("машинный перевод", &[2]),
        ("การแปล", &[2]),
        ("good health and well-being", &[3]),
        ("amharique", &[3]),
        ("données sur le paludisme", &[1, 4]),
        ("élevage sur le paludisme", &[]),
    ] {
        let mut found = found(&index, query);
        found.sort_unstable();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn other_ways_are_tried_only_when_nothing_is_found() {
    let docs = vec![
        card(1, "a", "translation of medical questions"),
        card(2, "b", "transliteration of names"),
        card(3, "trains", "timetables"),
    ];
    let index = index_of(docs);
    for (query, expected, way) in [
        ("medical questions", &[1][..], Way::Words),
        ("medical questions unknownword", &[1], Way::MostWords),
        ("rain", &[3], Way::PartOfName),
        ("medicla", &[1], Way::Typos),
        ("transliteratoin names", &[2], Way::Typos),
        ("zzzzzz", &[], Way::Typos),
    ] {
        let page = index.search(&SearchQuery::of(query), &everybody()).unwrap();
        assert_eq!((ids(&page).as_slice(), page.way), (expected, way), "{query}");
    }
}

#[test]
fn little_words_do_not_keep_from_finding() {
    let index = index_of(vec![card(1, "a", "Dataset: malaria, Kenya"), card(2, "b", "The the the")]);
    assert_eq!(found(&index, "the dataset of malaria for Kenya"), [1]);
    assert_eq!(found(&index, "the"), [2]);
}

#[test]
fn what_fits_better_comes_first() {
    let index = index_of(vec![
        card(1, "a", "maize is mentioned once, among many other words about something else entirely"),
        SearchDoc { title: "Maize leaves".into(), ..card(2, "b", "") },
        card(3, "maize", ""),
        SearchDoc {
            downloads: 1_000_000,
            ..card(4, "c", "maize is mentioned once, among many other words about something else")
        },
    ]);
    assert_eq!(found(&index, "maize")[..2], [3, 2]);
    assert_eq!(found(&index, "maize")[2..], [4, 1]);
}

#[test]
fn what_the_card_says_in_fields_is_found_by_words() {
    let one = SearchDoc {
        words: ["apache-2.0", "transformers", "1K<n<10K", "openai/whisper-small", "sdg:13", "noodl", "well-being"]
            .map(str::to_owned)
            .into(),
        licences: vec!["apache-2.0".to_owned()],
        tasks: vec!["fill-mask".to_owned()],
        tags: vec!["sdg:13".to_owned()],
        sdgs: vec![13],
        ..card(1, "one", "")
    };
    let index = index_of(vec![one, card(2, "two", "Other words of 13 kinds.")]);
    for query in [
        "apache 2.0",
        "apache-2.0",
        "Apache License",
        "лицензия apache",
        "transformers",
        "1K<n<10K",
        "whisper-small",
        "openai/whisper-small",
        "sdg:13",
        "SDG 13",
        "sdg13",
        "odd 13",
        "noodl",
        "well-being",
        "remplissage de masque",
        "填充掩码",
        "fill-mask",
    ] {
        assert_eq!(found(&index, query), [1], "{query}");
    }
}

#[test]
fn columns_are_found_as_written_and_by_their_pieces() {
    let columns = ["positivity_rate", "uniquecolumnzeta", "roofMaterial"].map(str::to_owned).into();
    let index = index_of(vec![SearchDoc { columns, ..card(1, "one", "") }, card(2, "two", "roof of another material")]);
    for (query, expected) in [
        ("positivity_rate", &[1][..]),
        ("positivity", &[1]),
        ("uniquecolumnzeta", &[1]),
        ("roofmaterial", &[1]),
        ("roof material", &[1, 2]),
    ] {
        let mut seen = found(&index, query);
        seen.sort_unstable();
        assert_eq!(seen, expected, "{query}");
    }
}

#[test]
fn words_for_what_is_found_are_passed_over() {
    let index = index_of(vec![card(1, "one", "Cases of malaria, escuelas"), card(2, "two", "A dataset of shells")]);
    for query in
        ["malaria dataset", "datasets about malaria", "datos sobre escuelas", "疟疾 数据集", "données sur le paludisme"]
    {
        assert_eq!(found(&index, query), [1], "{query}");
    }
    // Alone they are words as any other.
    assert_eq!(found(&index, "dataset"), [2]);
}

#[test]
fn what_nothing_has_is_named() {
    let index = index_of(vec![card(1, "one", "malaria in Kenya"), card(2, "two", "rain in Mali")]);
    for (query, missing) in [
        ("malaria xyzzy", &["xyzzy"][..]),
        ("xyzzy", &[]),
        ("malaria Mali", &[]),
        ("malaria", &[]),
        ("qwertz zuiop", &["qwertz", "zuiop"]),
    ] {
        let page = index.search(&SearchQuery::of(query), &everybody()).unwrap();
        assert_eq!(page.missing, missing, "{query}");
        assert_eq!(page.total == 0, query != "malaria", "{query}");
    }
}
