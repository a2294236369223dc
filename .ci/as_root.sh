# For the scripts beside it: `as_root COMMAND...` runs it as root, by sudo where that asks for no password.
as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}
