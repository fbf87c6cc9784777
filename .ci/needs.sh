# What ./run and ./test have in common: finding what is needed, installing it where that is allowed, and
# keeping build output. Sourced, never run.
# shellcheck shell=bash

RUST_NEEDED=1.95
problems=()
packages=()

has() { command -v "$1" >/dev/null 2>&1; }

# Where the outside world keeps build output: $CARGO_TARGET_DIR, else the user's cache, else ./target.
keep_build_output() {
    [[ -z "${CARGO_TARGET_DIR:-}" ]] || return 0
    local kept="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/longshore/target"
    if mkdir -p "$kept" 2>/dev/null && [[ -w "$kept" ]]; then
        # Every clone leaves its own crates there; beyond this size a fresh start is cheaper than the disk.
        if (($(du -sm "$kept" 2>/dev/null | cut -f1) > 20000)); then
            rm -rf "$kept" && mkdir -p "$kept"
        fi
        export CARGO_TARGET_DIR="$kept"
        share_build_output
    else
        export CARGO_TARGET_DIR="$PWD/target"
    fi
}

# Has nothing that was built in another clone be taken for this one's: tests know the folder that they were built in, and cargo
# rebuilds what is older than its source, wherever that lies.
share_build_output() {
    local last
    last=$(cat "$CARGO_TARGET_DIR/.built-in" 2>/dev/null || true)
    if [[ "$last" != "$PWD" ]]; then
        find . -path ./target -prune -o -name '*.rs' -exec touch {} +
        echo "$PWD" >"$CARGO_TARGET_DIR/.built-in"
    fi
}

need_rust() {
    # rustup installs into the user's own folder, which may not be on PATH in a script.
    if ! has cargo && [[ -x "${HOME:-}/.cargo/bin/cargo" ]]; then
        export PATH="$HOME/.cargo/bin:$PATH"
    fi
    if ! has cargo; then
        problems+=("Rust $RUST_NEEDED or newer (install rustup, then run this again)")
        return
    fi
    if ! rust_version=$(cargo --version 2>&1); then
        problems+=("Rust $RUST_NEEDED or newer (cargo does not start: $rust_version)")
        return
    fi
    rust_version=$(cut -d' ' -f2 <<<"$rust_version")
    if [[ "$(printf '%s\n' "$RUST_NEEDED" "$rust_version" | sort -V | head -1)" != "$RUST_NEEDED" ]]; then
        problems+=("Rust $RUST_NEEDED or newer (this is $rust_version)")
    fi
}

# Installs ${packages[@]} with apt-get, where there is one and this user may. Says so when it fails; whether
# everything is there afterwards is for the caller to look at.
install_packages() {
    ((${#packages[@]})) && has apt-get || return 0
    local as_root=() log settings=/etc/postgresql-common/createcluster.conf
    if ((EUID != 0)); then
        has sudo && sudo -n true 2>/dev/null || return 0
        as_root=(sudo -n)
    fi
    echo "installing ${packages[*]}"
    # The package would make and start a cluster of its own; the tests make theirs, so ask it not to.
    if [[ " ${packages[*]} " == *" postgresql "* && ! -e $settings ]]; then
        "${as_root[@]}" mkdir -p "${settings%/*}"
        echo "create_main_cluster = false" | "${as_root[@]}" tee "$settings" >/dev/null
    fi
    # This one would start a server for logins, now and at each boot; neither happens where this file stands.
    if [[ " ${packages[*]} " == *" openssh-server "* ]]; then
        "${as_root[@]}" mkdir -p /etc/ssh
        "${as_root[@]}" touch /etc/ssh/sshd_not_to_be_run
    fi
    log=$(mktemp)
    {
        "${as_root[@]}" apt-get update -q &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
                -o Dpkg::Options::=--force-confold "${packages[@]}"
    } </dev/null >"$log" 2>&1 || {
        tail -20 "$log"
        echo "apt-get could not install ${packages[*]}"
    } >&2
    rm -f "$log"
    hash -r
}

# Python with virtual environments, for which Debian has a package of its own.
need_python() {
    has python3 || packages+=(python3)
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
}

need_python_now() {
    python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        problems+=("Python 3.10 or newer with venv (Debian: apt-get install python3 python3-venv)")
}

need_compiler() {
    has cc || problems+=("a C compiler (Debian: apt-get install gcc libc6-dev)")
}

# Ends the script when something is missing, naming all of it.
end_if_missing() {
    ((${#problems[@]})) || return 0
    {
        echo "$1: missing on this machine:"
        printf '  - %s\n' "${problems[@]}"
    } >&2
    exit 1
}
