//! What a parameter may be.

use crate::recipe::GearKind;

/// What a value may be. Whatever is not literal may be a template instead; what the template gives
/// must then be of this shape.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any value.
    Any,
    /// A text; numbers and booleans as they were written.
    Text,
    /// A text for people: none, lists and maps are printed.
    Printed,
    /// A command line for the host's shell: interpolated values are quoted.
    Shell,
    /// An absolute http or https URL; values after `?` are encoded.
    Url,
    /// `HOST:PORT`, an IPv6 address in brackets.
    HostPort,
    /// A path. Without a leading `/` it is in the run directory, on a remote host in the login's
    /// home.
    Path,
    /// A path, or a URL.
    PathOrUrl,
    /// A path, or `HOST:path`.
    HostPath,
    /// The name of a shipped file.
    Asset,
    /// A file mode in octal digits, as a text: `"0644"`.
    Mode,
    /// 64 hexadecimal digits.
    Sha256,
    /// True or false.
    Boolean,
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A duration; lowered to seconds.
    Duration,
    /// A duration, or `none` for no bound.
    DurationOrNone,
    /// A size; lowered to bytes.
    Size,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A bare expression, evaluated with the rest.
    Expr,
    /// A bare expression that the action evaluates itself, as often as it needs.
    Deferred,
    /// A host's name, literal.
    Host,
    /// The name of a gear of this kind, literal.
    Gear(GearKind),
    /// A kind of error that a recipe may raise, literal.
    Kind,
    /// A list of kinds of error, literal.
    Kinds,
    /// Items of one shape.
    List(&'static Shape),
    /// One value of the shape or a list of them; lowered to a list.
    OneOrMany(&'static Shape),
    /// Members of one shape, with names of their own.
    Map(&'static Shape),
    /// Named members.
    Fields(&'static Fields),
    /// Steps with these actions alone; lowered to [`Step::inner`](crate::recipe::model::Step).
    Steps(&'static [&'static str]),
}

/// The parameters of an action, or of a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    /// The parameter that a bare value stands for.
    pub short: Option<&'static str>,
    /// The parameter that a bare list stands for, where it is another.
    pub short_list: Option<&'static str>,
    /// By name.
    pub params: &'static [Param],
    /// Of these exactly one is given.
    pub one_of: &'static [&'static str],
    /// Of these at most one is given.
    pub at_most_one: &'static [&'static str],
}

impl Fields {
    /// Members in a map, without a short form.
    pub(super) const fn new(params: &'static [Param]) -> Self {
        Self {
            short: None,
            short_list: None,
            params,
            one_of: &[],
            at_most_one: &[],
        }
    }

    pub(super) const fn short(mut self, name: &'static str) -> Self {
        self.short = Some(name);
        self
    }

    pub(super) const fn short_list(mut self, name: &'static str) -> Self {
        self.short_list = Some(name);
        self
    }

    pub(super) const fn one_of(mut self, names: &'static [&'static str]) -> Self {
        self.one_of = names;
        self
    }

    pub(super) const fn at_most_one(mut self, names: &'static [&'static str]) -> Self {
        self.at_most_one = names;
        self
    }

    /// The parameter of this name.
    pub fn param(&self, name: &str) -> Option<&'static Param> {
        self.params.iter().find(|param| param.name == name)
    }
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its key.
    pub name: &'static str,
    /// What it may be.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it can hold no template.
    pub literal: bool,
    /// What counts where it is not given, as a recipe would write it.
    pub default: Option<&'static str>,
    /// The parameter beside which alone it makes sense.
    pub with: Option<&'static str>,
    /// What it is for.
    pub doc: &'static str,
}

impl Param {
    /// A parameter that may be left out.
    pub(super) const fn new(name: &'static str, shape: Shape, doc: &'static str) -> Self {
        Self {
            name,
            shape,
            required: false,
            literal: matches!(
                shape,
                Shape::Host | Shape::Gear(_) | Shape::Kind | Shape::Kinds | Shape::Steps(_)
            ),
            default: None,
            with: None,
            doc,
        }
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn literal(mut self) -> Self {
        self.literal = true;
        self
    }

    pub(super) const fn with(mut self, name: &'static str) -> Self {
        self.with = Some(name);
        self
    }

    pub(super) const fn default(mut self, written: &'static str) -> Self {
        self.default = Some(written);
        self
    }
}
