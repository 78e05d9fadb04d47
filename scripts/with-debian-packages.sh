#!/bin/sh
# with-debian-packages.sh COMMAND [ARGUMENT...]
#
# Makes a fresh Debian 12 with Node and npm ready for the project, then runs COMMAND under the Node of the lockfile:
# installs the Debian packages that build, tests and demo use (as root; without root it says what is missing and goes
# on), and the npm packages when node_modules is absent or older than package-lock.json.
set -eu
cd "$(dirname "$0")/.."

# package:file that shows whether it is there
NEEDED='
make:/usr/bin/make
libatomic1:/usr/lib/*-linux-gnu/libatomic.so.1
docker-registry:/usr/bin/docker-registry
skopeo:/usr/bin/skopeo
umoci:/usr/bin/umoci
crun:/usr/bin/crun
busybox-static:/usr/bin/busybox
zstd:/usr/bin/zstd
attr:/usr/bin/getfattr
acl:/usr/bin/getfacl
libcap2-bin:/usr/sbin/setcap
openssl:/usr/bin/openssl
microsocks:/usr/bin/microsocks
gnupg:/usr/bin/gpg
erofs-utils:/usr/bin/mkfs.erofs
time:/usr/bin/time
cryptsetup-bin:/usr/sbin/cryptsetup
dmsetup:/usr/sbin/dmsetup
e2fsprogs:/usr/sbin/mkfs.ext4
kmod:/usr/bin/kmod
zsh:/usr/bin/zsh
fish:/usr/bin/fish
'

# The pod VM is an x86-64 machine with the Node of the host in it, and libisal is used on x86-64 only.
if [ "$(uname -m)" = x86_64 ]; then
  NEEDED="$NEEDED
libisal2:/usr/lib/*-linux-gnu/libisal.so.2
qemu-system-x86:/usr/bin/qemu-system-x86_64
qemu-utils:/usr/bin/qemu-nbd
"
fi

say() { printf '%s\n' "$*" >&2; }

missing_packages() {
  for row in $NEEDED; do
    package=${row%%:*}
    found=no
    # The pattern is a glob on purpose, and busybox-static lies in /bin where /usr is not merged.
    for file in ${row#*:}; do
      if [ -e "$file" ] || [ -e "${file#/usr}" ]; then found=yes; fi
    done
    [ "$found" = yes ] || printf '%s ' "$package"
  done
}

install_debian_packages() {
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    say "missing Debian packages: $missing"
    say "tests that need them are skipped; as root: apt-get install $missing"
    return 0
  fi
  if ! command -v apt-get >/dev/null; then
    say "missing packages: $missing(this is no Debian: install their likes by hand)"
    return 0
  fi
  say "installing Debian packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086 # a list
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# npm replaces node_modules, so it must not run under the Node that lies in there.
path_without_local_node() {
  printf '%s' "$PATH" | tr ':' '\n' | grep -v 'node_modules/\.bin$' | paste -s -d: -
}

install_npm_packages() {
  if [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    return 0
  fi
  say 'installing npm packages'
  PATH=$(path_without_local_node) npm ci --no-audit --no-fund --loglevel=error
}

check_node() {
  if version=$(node_modules/.bin/node --version 2>&1); then
    case $version in v26.*) return 0 ;; esac
  fi
  say "node_modules/.bin/node does not start as Node 26: $version"
  say 'It needs glibc and libatomic.so.1 (Debian package libatomic1), on x86-64 or arm64. After installing the package:'
  say '  rm -rf node_modules && npm ci'
  exit 1
}

install_debian_packages
install_npm_packages
check_node
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec "$@"
