//! `cycles completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::Arguments;
use crate::failure::Failure;
use crate::output;

/// Write what a shell needs to complete commands.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

const EXAMPLE: &str = "\
Examples:

  cycles completions bash > ~/.local/share/bash-completion/completions/cycles
  cycles completions zsh > \"${fpath[1]}/_cycles\"
  cycles completions fish > ~/.config/fish/completions/cycles.fish";

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        let mut command = Arguments::command();
        clap_complete::generate(self.shell, &mut command, "cycles", &mut script);
        output::write(&String::from_utf8_lossy(&script))
    }
}
