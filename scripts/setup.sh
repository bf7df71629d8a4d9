#!/usr/bin/env bash
# Brings a clean clone to the point where examples and tests run: system packages, npm packages, addon, TypeScript.
# Does only what is needed: each step leaves a stamp (a checksum of its inputs) once it has succeeded.
# Needs Node, npm, g++, make, cmake; installs OpenBLAS with apt-get, elsewhere it says what to install.
#   bash scripts/setup.sh [--help]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ "${1:-}" == --help ]]; then
  sed -n '2,5s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi

stamps=.timernn-setup
mkdir -p "$stamps"

# Runs a command quietly; shows everything it printed when it fails.
quietly() {
  local log="$stamps/last.log" status=0
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [[ $status -ne 0 ]] || return 0
  echo "This failed: $*" >&2
  cat "$log" >&2
  return "$status"
}

# A checksum over names and contents of the files under the given paths.
checksum() {
  local path present=()
  for path in "$@"; do [[ -e "$path" ]] && present+=("$path"); done
  find "${present[@]}" -type f -exec cksum {} + | LC_ALL=C sort | cksum
}

is_current() { [[ -f "$stamps/$1" && "$(<"$stamps/$1")" == "$2" ]]; }

# ---- system packages ----------------------------------------------------------------------------------------------

missing_packages() {
  local missing=()
  command -v g++ >/dev/null || command -v clang++ >/dev/null || missing+=(g++)
  command -v make >/dev/null || command -v ninja >/dev/null || missing+=(make)
  command -v cmake >/dev/null || missing+=(cmake)
  if [[ -d /opt/homebrew/opt/openblas || -d /usr/local/opt/openblas ]]; then
    : # Homebrew's, which pkg-config does not see
  elif command -v pkg-config >/dev/null; then
    pkg-config --exists openblas || missing+=(libopenblas-dev)
  else
    missing+=(pkg-config libopenblas-dev)
  fi
  echo "${missing[*]-}"
}

install_packages() {
  local as_root=()
  if ! command -v apt-get >/dev/null; then
    # CMake also looks where pkg-config does not, and names what it misses; so this is no reason to stop.
    [[ -f build/Release/timernn.node ]] && return 0
    echo "These may be missing: $*. Install them with the package manager of this system:" >&2
    echo "  Fedora, RHEL:  dnf install gcc-c++ make cmake pkgconf-pkg-config openblas-devel" >&2
    echo "  Alpine:        apk add g++ make cmake pkgconf openblas-dev" >&2
    echo "  macOS:         xcode-select --install; brew install cmake pkgconf openblas" >&2
    return 0
  fi
  if [[ "$(id -u)" != 0 ]]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
      echo "These system packages are missing, and installing them needs root: $*" >&2
      echo "Run this, then start again:" >&2
      echo "  sudo apt-get update && sudo apt-get install -y $*" >&2
      return 1
    fi
    as_root=(sudo -n)
  fi
  echo "Installing system packages: $*…"
  local get=(${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
  local install=("${get[@]}" install -y --no-install-recommends "$@")
  # A fresh machine has no package lists, an old one stale ones: fetch them only then.
  if ! "${install[@]}" >"$stamps/last.log" 2>&1 </dev/null; then
    quietly "${get[@]}" update
    quietly "${install[@]}"
  fi
}

missing=$(missing_packages)
if [[ -n "$missing" ]]; then
  # shellcheck disable=SC2086  # a list of words
  install_packages $missing
fi

# ---- npm packages -------------------------------------------------------------------------------------------------

# The stamp lies in node_modules, so that it goes when they go. Only the lockfile and Node's version count: editing a
# script in package.json installs nothing.
npm_state="$(cksum <package-lock.json) $(node --version)"
npm_stamp=node_modules/.timernn-setup
if [[ ! -f "$npm_stamp" || "$(<"$npm_stamp")" != "$npm_state" ]]; then
  if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 1000 + +b >= 20019 ? 0 : 1)'; then
    echo "Node 20.19 or later is needed, this is $(node --version)." >&2
    exit 1
  fi
  echo "Installing npm packages…"
  # The addon is built below and only where its sources changed; an own install script would build it twice.
  TIMERNN_SKIP_BUILD=1 quietly npm ci --include=dev --no-audit --no-fund --loglevel=error
  echo "$npm_state" >"$npm_stamp"
fi

# ---- addon --------------------------------------------------------------------------------------------------------

native_state="$(checksum native binding cmake CMakeLists.txt scripts/build-native.mjs) $(uname -sm) $PWD"
if ! is_current native "$native_state" || [[ ! -f build/Release/timernn.node ]]; then
  rm -f "$stamps/native"
  node scripts/build-native.mjs ${CI:+--developer}
  echo "$native_state" >"$stamps/native"
fi

# ---- TypeScript ---------------------------------------------------------------------------------------------------

ts_state="$(checksum src tsconfig.json tsconfig.base.json scripts/build-ts.mjs) $(cksum <package-lock.json)"
if ! is_current typescript "$ts_state" || [[ ! -f dist/index.js ]]; then
  rm -f "$stamps/typescript"
  echo "Compiling TypeScript…"
  node scripts/build-ts.mjs
  echo "$ts_state" >"$stamps/typescript"
fi
