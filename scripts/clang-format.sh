#!/usr/bin/env bash
# Formats every C++ file of the repository, or with --check only says which ones are not formatted.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v clang-format >/dev/null; then
  echo "clang-format is missing: apt-get install clang-format (dnf install clang-tools-extra, brew install clang-format)" >&2
  exit 1
fi

files=()
while IFS= read -r file; do files+=("$file"); done \
  < <(find native binding test/native -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.inl' \) 2>/dev/null | LC_ALL=C sort)
if [[ ${#files[@]} -eq 0 ]]; then
  echo "Expected C++ files under native/ and binding/, found none" >&2
  exit 1
fi

case "${1:-}" in
  --check) clang-format --dry-run --Werror "${files[@]}" ;;
  '') clang-format -i "${files[@]}" ;;
  *)
    echo "Expected --check or nothing, got $1" >&2
    exit 2
    ;;
esac
