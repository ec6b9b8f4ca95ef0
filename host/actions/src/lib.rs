//! The one registry through which commands find std, OpenStack, ad-hoc and pack actions.
