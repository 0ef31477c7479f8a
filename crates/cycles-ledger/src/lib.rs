//! Pure budget decisions: state, command and time in; outcome and changes out.
