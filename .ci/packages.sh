# Installs Debian/Ubuntu packages that are missing: `. .ci/packages.sh; need PACKAGE...`. Works as root and with
# sudo; where it cannot install, it names what is missing and stops.
need() {
    missing=""
    for package in "$@"; do
        case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
        *"ok installed") ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing:$missing; this script installs them on Debian and Ubuntu only, please install them yourself" >&2
        exit 1
    fi
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing:$missing; installing them needs root or sudo: apt-get install$missing" >&2
            exit 1
        fi
        as_root="sudo"
    fi
    echo "installing with apt-get:$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get update -q >/dev/null || echo "apt-get update failed; going on with the lists that are there" >&2
    if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >/dev/null; then
        echo "apt-get could not install:$missing" >&2
        exit 1
    fi
}

# What building wick takes.
need_build() {
    need gcc libc6-dev make cmake pkg-config libjansson-dev libutf8proc-dev zlib1g-dev libcurl4-openssl-dev libedit-dev \
        libopenblas0-pthread
}
