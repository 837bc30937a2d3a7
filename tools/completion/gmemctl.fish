# SPDX-FileCopyrightText: The libgmem authors
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Completion of gmemctl for fish. Commands and options come from gmemctl's own help.

function __gmemctl_options
    set -l words (commandline -opc)
    gmemctl $words[2] --help 2>/dev/null | string replace -rf '^  (?:-[a-z], )?(--[a-z-]+).*' '$1'
    echo --help
end

complete -c gmemctl -f
complete -c gmemctl -n __fish_use_subcommand -a "(gmemctl --help | string replace -rf '^  ([a-z]+) +(.*)' '\$1\t\$2')"
complete -c gmemctl -n 'string match -q -- "-*" (commandline -ct)' -a '(__gmemctl_options)'
complete -c gmemctl -n '__fish_seen_subcommand_from probe; and contains -- --vm-type (commandline -opc)[-1]' -a 'default sw-protected sev sev-es snp tdx'
complete -c gmemctl -n '__fish_seen_subcommand_from explain' -a "(gmemctl explain --list | string replace -rf '^  ([^ ]+) +(.*)' '\$1\t\$2')"
complete -c gmemctl -n '__fish_seen_subcommand_from seccomp' -a "(gmemctl seccomp | string replace -rf '^([a-z]+): (.*)' '\$1\t\$2')"
complete -c gmemctl -n '__fish_seen_subcommand_from run; and not contains -- --timeline (commandline -opc)[-1]' -a '(__fish_complete_suffix .gmem)'
complete -c gmemctl -n '__fish_seen_subcommand_from journal' -F
complete -c gmemctl -n '__fish_seen_subcommand_from map; and contains -- --svg (commandline -opc)[-1]' -F
complete -c gmemctl -n '__fish_seen_subcommand_from run; and contains -- --timeline (commandline -opc)[-1]' -F
complete -c gmemctl -n '__fish_seen_subcommand_from load; and contains -- --way (commandline -opc)[-1]' -a 'best plain direct'
complete -c gmemctl -n '__fish_seen_subcommand_from load; and not contains -- --way (commandline -opc)[-1]' -F
