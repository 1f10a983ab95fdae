#!/usr/bin/env bash
# Installs what the tests compare against (numpy, pydicom, Pillow, OpenCV, sqlite3, curl, openssl) where CI asks for it; elsewhere says what is missing.
set -euo pipefail
packages=(python3-numpy python3-pydicom python3-pil python3-opencv sqlite3 curl openssl)
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "${CI:-}" = true ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Tests that compare with these peers will be skipped; to run them: apt-get install -y --no-install-recommends ${missing[*]}" >&2
fi
