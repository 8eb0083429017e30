# Completion of pyunshare for fish.
# Made by building/completions.py from the table of options and building/shells/fish: edit those.
#
# For unshare, where that is pyunshare: a file ~/.config/fish/completions/unshare.fish with the
# line "complete -c unshare -w pyunshare".

# Print the words of the line from the program on, one a line; none while it is still options.
function __pyunshare_program
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        set -e words[1]
        switch $word
            case --
                break
            case '--*=*'
            case '--*'
                # may be shortened, but the whole name goes before longer ones
                set -l pattern '^'(string escape --style=regex -- $word)
                if string match -qr -- $pattern'$' $__pyunshare_long
                    set pattern $pattern'$'
                end
                if string match -qr -- $pattern $__pyunshare_long_with_value
                    set -e words[1]
                end
            case -
                set -p words $word
                break
            case '-*'
                # the first letter that takes a value ends the letters, the value may be the rest
                if string match -qr -- '^-[^SGRwl]*[SGRwl]$' $word
                    set -e words[1]
                end
            case '*'
                set -p words $word
                break
        end
    end
    string join \n -- $words
end

# Whether the options go on at the cursor
function __pyunshare_in_options
    not contains -- -- (commandline -opc)
    and not count (__pyunshare_program) >/dev/null
end

# Whether the value of this option, behind a sign, is at the cursor
function __pyunshare_at_value
    string match -q -- "--$argv[1]=*" (commandline -ct)
    and __pyunshare_in_options
end

# What completes the program and its arguments, as if they stood alone
function __pyunshare_complete_program
    set -l words (__pyunshare_program)
    complete --do-complete=(string join ' ' -- (string escape -- $words) (commandline -ct))
end

# The value at the cursor, without the option that may stand before it in the same word
function __pyunshare_value
    commandline -ct | string replace -r '^(--[^=]*=|-[^-SGRwl]*[SGRwl])' ''
end

function __pyunshare_signals
    set -l prefix (string match -r '^SIG' -- (__pyunshare_value))
    printf '%s\t\n' "$prefix"{HUP,INT,QUIT,ILL,TRAP,ABRT,BUS,FPE,KILL,USR1,SEGV,USR2,PIPE,ALRM,TERM,STKFLT,CHLD,CONT,STOP,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,VTALRM,PROF,WINCH,IO,PWR,SYS}
end

# The ids of a database of getent(1), with the names beside them
function __pyunshare_ids
    getent $argv[1] | string replace -r '^([^:]*):[^:]*:([0-9]+).*' '$2\t$1'
end

function __pyunshare_owner
    set -l uid (string match -r '^[0-9]+:' -- (__pyunshare_value))
    and __pyunshare_ids group | string replace -r '^' -- $uid
    or __pyunshare_ids passwd | string replace \t ":"\t
end

# Names of variables, behind those that the list has already
function __pyunshare_names
    set -l list (string match -r '.*,' -- (__pyunshare_value))
    printf '%s\t\n' "$list"(set -xn)
end

set -g __pyunshare_long --help --version --mount --uts --ipc --net --pid --user --cgroup --time --fork --kill-child --forward-signals --mount-proc --mount-binfmt --map-user --map-users --map-group --map-groups --map-root-user --map-current-user --map-auto --map-subids --owner --propagation --setgroups --keep-caps --setuid --setgid --root --wd --monotonic --boottime --load-interp --clear-env --whitelist-env
set -g __pyunshare_long_with_value --map-user --map-users --map-group --map-groups --owner --propagation --setgroups --setuid --setgid --root --wd --monotonic --boottime --load-interp --whitelist-env

complete -c pyunshare -x -a '(__pyunshare_complete_program)'
complete -c pyunshare -n __pyunshare_in_options -s h -l help -d 'print this help and exit'
complete -c pyunshare -n __pyunshare_in_options -s V -l version -d 'print the version and exit'
complete -c pyunshare -n __pyunshare_in_options -s m -l mount -d 'new mount namespace'
complete -c pyunshare -n '__pyunshare_at_value mount' -l mount -F
complete -c pyunshare -n __pyunshare_in_options -s u -l uts -d 'new UTS namespace: host name'
complete -c pyunshare -n '__pyunshare_at_value uts' -l uts -F
complete -c pyunshare -n __pyunshare_in_options -s i -l ipc -d 'new IPC namespace: System V, POSIX queues'
complete -c pyunshare -n '__pyunshare_at_value ipc' -l ipc -F
complete -c pyunshare -n __pyunshare_in_options -s n -l net -d 'new network namespace'
complete -c pyunshare -n '__pyunshare_at_value net' -l net -F
complete -c pyunshare -n __pyunshare_in_options -s p -l pid -d 'new PID namespace for the children'
complete -c pyunshare -n '__pyunshare_at_value pid' -l pid -F
complete -c pyunshare -n __pyunshare_in_options -s U -l user -d 'new user namespace'
complete -c pyunshare -n '__pyunshare_at_value user' -l user -F
complete -c pyunshare -n __pyunshare_in_options -s C -l cgroup -d 'new cgroup namespace'
complete -c pyunshare -n '__pyunshare_at_value cgroup' -l cgroup -F
complete -c pyunshare -n __pyunshare_in_options -s T -l time -d 'new time namespace for the children'
complete -c pyunshare -n '__pyunshare_at_value time' -l time -F
complete -c pyunshare -n __pyunshare_in_options -s f -l fork -d 'run the program as a child and wait for it'
complete -c pyunshare -n __pyunshare_in_options -l kill-child -d 'send the child this signal (default KILL) when its parent dies; implies --fork'
complete -c pyunshare -n '__pyunshare_at_value kill-child' -l kill-child -f -a '(__pyunshare_signals)'
complete -c pyunshare -n __pyunshare_in_options -l forward-signals -d 'pass SIGINT and SIGTERM on to the child; implies --fork'
complete -c pyunshare -n __pyunshare_in_options -l mount-proc -d 'mount proc on the directory (default /proc); implies --mount'
complete -c pyunshare -n '__pyunshare_at_value mount-proc' -l mount-proc -f -a '(__fish_complete_directories (__pyunshare_value))'
complete -c pyunshare -n __pyunshare_in_options -l mount-binfmt -d 'mount binfmt_misc on the directory (default /proc/sys/fs/binfmt_misc, then with --mount-proc); implies --mount and --user'
complete -c pyunshare -n '__pyunshare_at_value mount-binfmt' -l mount-binfmt -f -a '(__fish_complete_directories (__pyunshare_value))'
complete -c pyunshare -n __pyunshare_in_options -l map-user -d 'be this user (name or number) inside; implies --user' -r -f -a '(__fish_complete_users)'
complete -c pyunshare -n __pyunshare_in_options -l map-users -d 'map users: inner:outer:count, auto, subids or all; may be repeated; implies --user' -r -f -a 'auto\\t subids\\t all\\t'
complete -c pyunshare -n __pyunshare_in_options -l map-group -d 'have this group (name or number) inside; implies --user' -r -f -a '(__fish_complete_groups)'
complete -c pyunshare -n __pyunshare_in_options -l map-groups -d 'map groups: inner:outer:count, auto, subids or all; may be repeated; implies --user' -r -f -a 'auto\\t subids\\t all\\t'
complete -c pyunshare -n __pyunshare_in_options -s r -l map-root-user -d 'be root inside: --map-user 0 --map-group 0'
complete -c pyunshare -n __pyunshare_in_options -s c -l map-current-user -d 'be the same user and have the same group inside'
complete -c pyunshare -n __pyunshare_in_options -l map-auto -d 'map the subordinate ids from 0 on: --map-users auto --map-groups auto'
complete -c pyunshare -n __pyunshare_in_options -l map-subids -d 'map the subordinate ids to themselves: --map-users subids --map-groups subids'
complete -c pyunshare -n __pyunshare_in_options -l owner -d 'the user and group that own the new user namespace; implies --user' -r -f -a '(__pyunshare_owner)'
complete -c pyunshare -n __pyunshare_in_options -l propagation -d 'propagation of the mounts in a new mount namespace: slave, private (the default), shared or unchanged' -r -f -a 'slave\\t private\\t shared\\t unchanged\\t'
complete -c pyunshare -n __pyunshare_in_options -l setgroups -d 'whether setgroups(2) is allowed in the new user namespace' -r -f -a 'allow\\t deny\\t'
complete -c pyunshare -n __pyunshare_in_options -l keep-caps -d 'let the program keep the capabilities that the new user namespace gives'
complete -c pyunshare -n __pyunshare_in_options -s S -l setuid -d 'run the program as this user, by number' -r -f -a '(__pyunshare_ids passwd)'
complete -c pyunshare -n __pyunshare_in_options -s G -l setgid -d 'run the program with this group, by number, and no supplementary groups' -r -f -a '(__pyunshare_ids group)'
complete -c pyunshare -n __pyunshare_in_options -s R -l root -d 'use the directory as root directory' -r -f -a '(__fish_complete_directories (__pyunshare_value))'
complete -c pyunshare -n __pyunshare_in_options -s w -l wd -d 'use the directory as working directory' -r -f -a '(__fish_complete_directories (__pyunshare_value))'
complete -c pyunshare -n __pyunshare_in_options -l monotonic -d 'offset of CLOCK_MONOTONIC; requires --time' -r -f -a ''
complete -c pyunshare -n __pyunshare_in_options -l boottime -d 'offset of CLOCK_BOOTTIME; requires --time' -r -f -a ''
complete -c pyunshare -n __pyunshare_in_options -s l -l load-interp -d 'register a binary format, :name:type:offset:magic:mask:interpreter:flags, in a binfmt_misc of its own; implies --mount-binfmt' -r -f -a ''
complete -c pyunshare -n __pyunshare_in_options -l clear-env -d 'clear the environment of the program'
complete -c pyunshare -n __pyunshare_in_options -l whitelist-env -d 'clear all variables but these: name,name,...; may be repeated' -r -f -a '(__pyunshare_names)'
