# Completion of pyunshare for bash.                                          -*- shell-script -*-
# Made by building/completions.py from the table of options and building/shells/bash: edit those.
#
# For unshare, where that is pyunshare: a link named "unshare" beside this file, in a directory
# that comes before the one of util-linux's, such as ~/.local/share/bash-completion/completions.

# The words from $1 on are a command and its arguments: completed as if they stood alone.
_pyunshare_program() {
    local words
    unset -v words # or bash-completion takes $1 for an index in it
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)); then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
    else
        compopt -o default
    fi
}

# Complete $2, the beginning of a value of the kind $1, that stands behind $3 in its word.
_pyunshare_value() {
    local kind=$1 value=$2 before=$3 words=
    case $kind in
        file | directory)
            # Readline completes names by itself, if its own word has nothing before them.
            if [[ $before == "$kept" ]]; then
                [[ $kind == file ]] && compopt -o default || compopt -o dirnames
            elif [[ $kind == file ]]; then
                mapfile -t COMPREPLY < <(compgen -f -P "$before" -- "$value")
            else
                mapfile -t COMPREPLY < <(compgen -d -P "$before" -- "$value")
            fi
            return
            ;;
        user) words=$(compgen -u) ;;
        group) words=$(compgen -g) ;;
        uid) words=$(getent passwd | cut -d: -f3) ;;
        gid) words=$(getent group | cut -d: -f3) ;;
        uid:gid)
            if [[ $value == *:* ]]; then
                before+=${value%%:*}:
                value=${value#*:}
                words=$(getent group | cut -d: -f3)
            else
                compopt -o nospace
                words=$(getent passwd | cut -d: -f3)
                words=${words//$'\n'/:$'\n'}:
            fi
            ;;
        names)
            compopt -o nospace
            if [[ $value == *,* ]]; then
                before+=${value%,*},
                value=${value##*,}
            fi
            words=$(compgen -e)
            ;;
        signal)
            words="HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
            [[ $value == SIG* ]] && words="SIG${words// / SIG}"
            ;;
        'mode') words="slave private shared unchanged" ;;
        'range') words="auto subids all" ;;
        'allow|deny') words="allow deny" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -P "$before" -W "$words" -- "$value")
}

# Set "option" to the long option that $1 is short for.
_pyunshare_option() {
    local name
    option=$1
    for name in "${options[@]}"; do
        [[ $name == "$1" ]] && option=$1 && return
        [[ $name == "$1"* ]] && option=$name
    done
}

_pyunshare() {
    # Readline divides the line at "=" and ":" as well. Join what no space divides: "words" are
    # those of the shell up to the cursor, "starts" their indexes in COMP_WORDS, and "kept" is
    # what of the last one readline keeps, as its own word begins behind.
    local line=${COMP_LINE:0:COMP_POINT} piece i kept=
    local -a words=() starts=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${line#"${line%%[![:space:]]*}"}
        if ((i == 0)) || [[ $piece != "$line" ]]; then
            words+=("")
            starts+=("$i")
        fi
        line=$piece
        ((i < COMP_CWORD)) && piece=${COMP_WORDS[i]}
        words[${#words[@]} - 1]+=$piece
        line=${line#"$piece"}
    done
    local last=$((${#words[@]} - 1))
    local current=${words[last]}
    [[ $piece == *[!=:]* ]] && kept=${current%"$piece"} || kept=$current # as for "--mount="
    COMPREPLY=()

    local -A value_of=(
        ['--mount=']='file'
        ['--uts=']='file'
        ['--ipc=']='file'
        ['--net=']='file'
        ['--pid=']='file'
        ['--user=']='file'
        ['--cgroup=']='file'
        ['--time=']='file'
        ['--kill-child=']='signal'
        ['--mount-proc=']='directory'
        ['--mount-binfmt=']='directory'
        ['--map-user']='user'
        ['--map-users']='range'
        ['--map-group']='group'
        ['--map-groups']='range'
        ['--owner']='uid:gid'
        ['--propagation']='mode'
        ['--setgroups']='allow|deny'
        ['--setuid']='uid'
        ['-S']='uid'
        ['--setgid']='gid'
        ['-G']='gid'
        ['--root']='directory'
        ['-R']='directory'
        ['--wd']='directory'
        ['-w']='directory'
        ['--monotonic']='seconds'
        ['--boottime']='seconds'
        ['--load-interp']='string'
        ['-l']='string'
        ['--whitelist-env']='names'
    )
    local -a options=(--help --version --mount --uts --ipc --net --pid --user --cgroup --time --fork --kill-child --forward-signals --mount-proc --mount-binfmt --map-user --map-users --map-group --map-groups --map-root-user --map-current-user --map-auto --map-subids --owner --propagation --setgroups --keep-caps --setuid --setgid --root --wd --monotonic --boottime --load-interp --clear-env --whitelist-env)

    # The options before the cursor, to find what the word at the cursor is
    local word option kind=
    for ((i = 1; i < last; i++)); do
        word=${words[i]}
        case $word in
            --)
                _pyunshare_program "${starts[i + 1]}"
                return
                ;;
            --*=*) ;;
            --*)
                _pyunshare_option "$word"
                kind=${value_of[$option]-}
                ;;
            -?*)
                word=${word#-}
                while [[ -n $word && -z $kind ]]; do
                    kind=${value_of[-${word:0:1}]-}
                    word=${word:1}
                done
                [[ -n $word ]] && kind= # the value is in the same word
                ;;
            *)
                _pyunshare_program "${starts[i]}"
                return
                ;;
        esac
        [[ -n $kind ]] && ((++i < last)) && kind= # the value is the next word
    done

    if [[ -n $kind ]]; then
        _pyunshare_value "$kind" "$current" ""
    elif [[ $current == --*=* ]]; then
        _pyunshare_option "${current%%=*}"
        kind=${value_of[$option]-${value_of[$option=]-}}
        _pyunshare_value "$kind" "${current#*=}" "${current%%=*}="
    elif [[ $current == - ]]; then
        COMPREPLY=(-h -V -m -u -i -n -p -U -C -T -f -r -c -S -G -R -w -l "${options[@]}")
    elif [[ $current == --* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${options[*]}" -- "$current")
    elif [[ $current == -* ]]; then
        for ((i = 1; i < ${#current}; i++)); do
            kind=${value_of[-${current:i:1}]-}
            if [[ -n $kind ]]; then
                _pyunshare_value "$kind" "${current:i+1}" "${current:0:i+1}"
                break
            fi
        done
        [[ -z $kind ]] && COMPREPLY=("$current")
    else
        _pyunshare_program "${starts[last]}"
        return
    fi

    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}

complete -F _pyunshare pyunshare
[[ ${BASH_SOURCE[0]##*/} == unshare?(.bash) ]] && complete -F _pyunshare unshare
true
