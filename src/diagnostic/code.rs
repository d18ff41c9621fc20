//! Every code that a user can meet. A number is never reused.

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Refused: nothing is touched.
    Error,
    /// Probably a mistake.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Code {
    /// The explanation as one line.
    pub fn summary(self) -> String {
        self.explanation()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What codes with the same first two digits are about.
    pub fn family(self) -> &'static str {
        match self.number().get(2..4) {
            Some("00") => "Reading files",
            Some("01") => "Words and shapes",
            Some("02") => "Inputs",
            Some("03") => "States, steps and what they refer to",
            Some("04") => "Templates and shell",
            Some("05") => "Bounds",
            Some("06") => "Retries and waits",
            Some("07") => "What must hold",
            Some("08") => "What is left behind on the bench",
            Some("09") => "Comments that allow a finding",
            Some("10") => "Scenarios",
            Some("11") => "Device configs",
            _ => "Others",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal $severity:ident;)+) => {
        /// What kind of complaint a finding is. Numbers: `00` reading, `01` words and shapes,
        /// `02` inputs, `03` states and steps, `04` templates and shell, `05` bounds, `06`
        /// retries and waits, `07` what must hold, `08` what is left behind, `09` comments, `10`
        /// scenarios.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// All codes, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable name, `TF0103`.
            pub fn number(self) -> &'static str {
                match self { $(Self::$name => concat!("TF", $number),)+ }
            }

            /// How bad it is unless something says otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// What it means, in a sentence or two.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, "\n",)+),)+ }
            }

            /// What happens on the bench where it is ignored, and a recipe that gets it beside one
            /// that does not: markdown, with `yaml bad` and `yaml good` blocks.
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!("pages/TF", $number, ".md")),)+
                }
            }
        }
    };
}

codes! {
    /// The file can't be read.
    Unreadable = "0001" Error;
    /// The text is not YAML (or, for job data, not JSON).
    Syntax = "0002" Error;
    /// A key stands twice in one map.
    DuplicateKey = "0003" Error;
    /// The text nests too deep, or repeats itself by aliases too often, to be read safely.
    TooLarge = "0004" Error;
    /// YAML that reads as something other than what was meant.
    YamlTrap = "0005" Error;
    /// YAML that recipes do not use: tags, merge keys, several documents, keys that are not texts.
    UnsupportedYaml = "0006" Error;
    /// No recipe of this name is shipped or found on the search path.
    UnknownRecipe = "0007" Error;
    /// Recipes that inherit from or call each other in a circle, or inherit more than 4 deep.
    RecipeCycle = "0008" Error;
    /// A key that the language does not have at this place.
    UnknownKey = "0101" Error;
    /// A value of another type than the key takes.
    WrongType = "0102" Error;
    /// An action that the language does not have.
    UnknownAction = "0103" Error;
    /// A key that must be there is missing or empty.
    MissingKey = "0104" Error;
    /// A name that is not of the form `[a-z][a-z0-9_]*`, or is reserved.
    BadName = "0105" Error;
    /// A template where only a literal can stand: names, targets and whatever shapes the machine
    /// are fixed before a run.
    NotLiteral = "0106" Error;
    /// A value that is of the right type and still is none that the key takes.
    BadValue = "0107" Error;
    /// Keys that exclude each other, or none of several of which one is needed.
    OneOf = "0108" Error;
    /// A word of the language that has no place here.
    Misplaced = "0109" Error;
    /// A word of the language that this version does not have yet.
    NotYet = "0110" Error;
    /// A kind of error that the language does not have, or that can't be named here.
    UnknownKind = "0111" Error;
    /// A shipped file that is not there.
    UnknownAsset = "0112" Error;
    /// An input or parameter that must be given is not.
    MissingInput = "0201" Error;
    /// A value that is not of its input's type, or outside what the input allows.
    WrongInput = "0202" Error;
    /// None of several inputs of which one must be given is there.
    NoneOfInputs = "0203" Error;
    /// A path that leaves the folder of the run directory that it belongs to.
    PathEscapes = "0204" Error;
    /// An argument that the procedure has no parameter for.
    UnknownParameter = "0205" Error;
    /// A stage that the recipe does not have.
    UnknownStage = "0206" Error;
    /// A target or initial state that is not there.
    UnknownState = "0301" Error;
    /// A target inside another scope: nothing jumps into a scope.
    IntoScope = "0302" Error;
    /// A state that does not say what comes after it.
    MissingNext = "0303" Error;
    /// A cycle of states without `max_visits`: it might never end.
    UnboundedCycle = "0304" Error;
    /// A state that nothing leads to.
    UnreachableState = "0305" Warning;
    /// A host that the recipe does not have.
    UnknownHost = "0306" Error;
    /// Gear that the recipe does not have, or of another kind.
    UnknownGear = "0307" Error;
    /// A procedure that the recipe does not have.
    UnknownProcedure = "0308" Error;
    /// Procedures that call each other in a circle, or more than 8 deep.
    CallCycle = "0309" Error;
    /// Scopes that nest more than 32 deep.
    NestedTooDeep = "0310" Error;
    /// Two states of a stage, two steps of a state, or two declarations of a variable with one name.
    NameTwice = "0311" Error;
    /// An error that leads to a state with `when`: if it is passed over, nobody has handled it.
    CatchToGuarded = "0312" Error;
    /// Hosts that are reached through each other in a circle.
    ViaCycle = "0313" Error;
    /// A tracked value that the recipe does not have, or one that it can't have.
    UnknownTrack = "0314" Error;
    /// A row of `next`, or a step, that is never come to.
    NeverTaken = "0315" Error;
    /// Constants that are computed from each other in a circle.
    LetCycle = "0316" Error;
    /// A variable that may not be set yet where it is read.
    MaybeUnset = "0317" Error;
    /// A `catch` of a kind of error that nothing inside raises: it is never come to.
    CatchNeverReached = "0318" Warning;
    /// A `retry` that can't help: no error that it would take can come up there.
    RetryNeverHelps = "0319" Warning;
    /// An `allow_failure` that names a kind of error which the step does not raise.
    ForgivesNothing = "0320" Warning;
    /// A kind of error that stands twice in one list.
    KindTwice = "0321" Warning;
    /// An input that nothing reads.
    UnusedInput = "0322" Warning;
    /// A host, a piece of gear, a constant, a parameter or a procedure that nothing uses.
    UnusedName = "0323" Warning;
    /// A variable that is saved, set or declared, and that nothing reads.
    NeverRead = "0324" Warning;
    /// States that lead to each other alone: no end can be reached from them.
    NoWayOut = "0325" Warning;
    /// A state that goes back to itself by its own `catch`: that is a retry, and its last error
    /// would stay what it is.
    RetryByHand = "0326" Note;
    /// A recovery that does nothing: a mark where nothing can fail, or a handler without steps.
    IdleRecovery = "0327" Warning;
    /// The caught error is read on a path on which none was caught: it is none there.
    ErrorMaybeNone = "0328" Warning;
    /// A template or an expression that can't be parsed, or is not in the language.
    BadTemplate = "0401" Error;
    /// A filter, a test or a function that the language does not have.
    UnknownFilter = "0402" Error;
    /// A template reads a name that is not there, or not at this place.
    UnknownName = "0403" Error;
    /// A member of `device`, `job`, `params`, `vars` or `gear` is taken by a computed name, so that
    /// nobody can tell before the run what is read.
    ComputedMember = "0404" Error;
    /// Braces in a bare expression, which is an expression already.
    BracesInExpression = "0405" Error;
    /// A comparison that never holds, by what the recipe declares.
    NeverEqual = "0406" Warning;
    /// A list or a map inside a longer text.
    ListInText = "0407" Warning;
    /// A `for_each` over an input that is declared as something other than a list.
    NoList = "0408" Warning;
    /// A text that was meant as a template: its braces are missing, or are the shell's.
    Unbraced = "0409" Warning;
    /// A template inside quotes, a comment or a here-document of a shell string. Values are quoted by
    /// themselves; inside other quotes they would be quoted wrongly.
    TemplateInQuotes = "0410" Error;
    /// A whole shell command is one template.
    TemplateAsCommand = "0411" Error;
    /// `| raw` on a value that comes from the job or from saved output: whoever writes the job could
    /// run anything on the host.
    RawFromOutside = "0412" Error;
    /// `commands` runs a value that does not come from the device config alone.
    CommandsFromOutside = "0413" Error;
    /// A pipe on a host whose shell is `sh`, which does not tell when its left side fails.
    PipeInSh = "0414" Error;
    /// A secret stands on a command line, which every process of that host can read.
    SecretOnCommandLine = "0415" Warning;
    /// A shell string hides that one of its commands fails.
    SwallowedFailure = "0416" Warning;
    /// A value from the job or from saved output is evaluated again by a shell or another interpreter,
    /// whatever quotes are around it.
    EvaluatedValue = "0417" Warning;
    /// A template with one brace where two belong: it is sent as plain text.
    LonelyBrace = "0418" Warning;
    /// A wait, a stage or an exit step without a bound.
    MissingBound = "0501" Error;
    /// A bound, a sleep or a try that never comes, as a bound around it always comes first.
    NeverReached = "0502" Warning;
    /// A stage that may take longer than `--max-duration` or the job's `global_timeout` allows.
    TooLong = "0503" Error;
    /// The test phase may be silent for longer than the job's `output_timeout` allows.
    SilentTooLong = "0504" Error;
    /// A request that is not idempotent is made again although the first one may have had its effect.
    RequestTwice = "0601" Warning;
    /// Retries inside each other make more than 20 tries of one step.
    TooManyTries = "0602" Warning;
    /// A wait for SSH straight after a reboot, which the old system may still answer.
    WaitAfterReboot = "0603" Warning;
    /// A step can be reached while what it `needs` does not hold: it is refused then.
    UnmetNeeds = "0701" Warning;
    /// What a step `needs` holds on no path that leads to it.
    NeverMet = "0702" Error;
    /// A stage can end while what it `ensures` does not hold.
    BrokenEnsures = "0703" Warning;
    /// An exit step can be refused because what it `needs` does not hold: nothing is put back then.
    RefusedExit = "0704" Warning;
    /// `flash` to a device path, in a recipe whose card has a mux.
    RawDevice = "0705" Warning;
    /// Too many situations to prove what must hold while checking.
    NotProved = "0706" Note;
    /// A scope whose `enter` steps change something, and that has no `exit` steps.
    NoExit = "0801" Warning;
    /// An exit step that may take long: more than 15 minutes a try, or 30 with all tries.
    LongExit = "0802" Warning;
    /// A medium goes back to the board whether or not it was written well.
    HandedBack = "0803" Note;
    /// A stage that switches the board off and never on again.
    LeftOff = "0804" Warning;
    /// A comment for `tf-engine` that is not `allow CODE because REASON`.
    BadAllow = "0901" Warning;
    /// A comment allows a code that does not exist.
    UnknownAllow = "0902" Warning;
    /// A comment allows a finding that is not there.
    UnusedAllow = "0903" Warning;
    /// A comment allows an error. The recipe is refused all the same.
    AllowedError = "0904" Warning;
    /// A step that the recipe's stage does not have.
    UnknownStep = "1001" Error;
    /// A name that several states or steps of a stage have.
    AmbiguousName = "1002" Error;
    /// An outcome that no try of the step can have.
    ImpossibleOutcome = "1003" Error;
    /// A field that the output of the step does not have.
    UnknownOutput = "1004" Error;
    /// A key of a device config that the recipe which fits it does not read.
    ConfigUnread = "1101" Warning;
    /// A key of a device config that counts for nothing without another.
    ConfigHalf = "1102" Warning;
    /// A list of a device config that is given as one text.
    ConfigText = "1103" Note;
    /// A password on a command line of a device config, which every process there can read.
    ConfigPassword = "1104" Warning;
    /// A command line of a device config with characters that mean something to a shell, and meant
    /// nothing to the program that ran it before.
    ConfigShell = "1105" Note;
    /// A command line of a device config that sleeps for longer than it may take.
    ConfigSleep = "1106" Warning;
    /// A device config without a way to power-cycle the board.
    ConfigNoReset = "1107" Note;
}
