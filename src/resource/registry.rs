//! The macro that turns the list of kinds into the types that generic code works with.

/// Declares the kinds: modules, the `Kind` and `Resource` enums, and dispatch to each kind's pure and AWS halves.
macro_rules! kinds {
    ($($text:literal => $kind:ident in $module:ident),+ $(,)?) => {
        $(pub mod $module; pub use $module::$kind;)+

        /// The kinds of AWS things that kspot owns, in the order in which plans show them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(
            #[doc = concat!("`", $text, "`")]
            $kind
        ),+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),+];

            /// The stable text form, as in addresses and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $(Kind::$kind => $text),+ }
            }

            /// What generic code must know of the kind.
            pub fn rules(self) -> Rules {
                match self { $(Kind::$kind => <$kind as Model>::RULES),+ }
            }
        }

        impl std::fmt::Display for Kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for Kind {
            type Err = String;
            fn from_str(s: &str) -> std::result::Result<Self, String> {
                match s {
                    $($text => Ok(Kind::$kind),)+
                    _ => Err(format!("{s:?} is no resource kind")),
                }
            }
        }

        /// A resource of any kind.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Resource { $(
            #[doc = concat!("`", $text, "`")]
            $kind($kind)
        ),+ }

        impl Resource {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self { $(Resource::$kind(_) => Kind::$kind),+ }
            }

            /// The serialised form that diff, views and JSON work with.
            pub fn to_value(&self) -> serde_json::Value {
                let value = match self { $(Resource::$kind(r) => serde_json::to_value(r)),+ };
                // A kind's fields are strings, numbers, bools, lists and string maps: serialisation can't fail.
                value.unwrap_or(serde_json::Value::Null)
            }

            /// Reads the serialised form back.
            pub fn from_value(kind: Kind, value: serde_json::Value) -> serde_json::Result<Self> {
                Ok(match kind { $(Kind::$kind => Resource::$kind(serde_json::from_value(value)?)),+ })
            }

            /// Completes an observation: see [`Model::finish`].
            pub fn finish(self, attrs: &Attrs, live: &Live) -> Option<Self> {
                match self { $(Resource::$kind(r) => r.finish(attrs, live).map(Resource::$kind)),+ }
            }

            /// Makes it on AWS.
            pub async fn create(&self, call: &Call<'_>) -> Result<Created> {
                match self { $(Resource::$kind(r) => r.create(call).await),+ }
            }

            /// Changes the live one in place into this.
            pub async fn update(&self, call: &Call<'_>, live: &crate::cloud::Observed, changed: &Changed) -> Result<Attrs> {
                match (self, &live.resource) {
                    $((Resource::$kind(r), Resource::$kind(l)) => {
                        r.update(call, &live.found(&call.addr.name, l.clone()), changed).await
                    })+
                    _ => Err(crate::Error::failed(format!("{} was observed as another kind", call.addr))),
                }
            }

            /// Deletes the live one.
            pub async fn delete(call: &Call<'_>, live: &crate::cloud::Observed) -> Result<()> {
                match &live.resource {
                    $(Resource::$kind(l) => <$kind as Aws>::delete(call, &live.found(&call.addr.name, l.clone())).await),+
                }
            }
        }

        $(impl From<$kind> for Resource {
            fn from(r: $kind) -> Self { Resource::$kind(r) }
        })+

        /// Sweeps one kind.
        pub async fn observe(kind: Kind, cloud: &AwsCloud, scope: &Scope) -> Result<Vec<Found<Resource>>> {
            Ok(match kind {
                $(Kind::$kind => <$kind as Aws>::observe(cloud, scope).await?
                    .into_iter()
                    .map(|f| Found { name: f.name, id: f.id, attrs: f.attrs, resource: Resource::$kind(f.resource) })
                    .collect()),+
            })
        }
    };
}
pub(crate) use kinds;
