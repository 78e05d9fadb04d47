#!/bin/sh
# regenerate.sh
#
# Writes keys.json and signatures.json beside itself: public keys and simple signatures of manifest.json, made with
# GnuPG 2.2.40 and sq 0.27 of Debian 12. The secret keys are made here, are used once, and are thrown away.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/simple-signing.XXXXXX)
export GNUPGHOME="$work/home"
mkdir -m 700 "$GNUPGHOME" "$work/keys" "$work/signatures"
trap 'gpgconf --kill all; rm -rf "$work"' EXIT

run() { time=$1; shift; gpg --batch --quiet --no-tty --yes --pinentry-mode loopback --passphrase '' \
  --faked-system-time "$time!" "$@" 2>>"$work/log" || { cat "$work/log" >&2; exit 1; }; }
fingerprint() { gpg --batch --with-colons --list-keys "$1" 2>/dev/null | awk -F: '$1=="fpr"{print $10; exit}'; }
subkey() { gpg --batch --with-colons --list-keys "$1" 2>/dev/null | awk -F: '$1=="fpr"{last=$10} END{print last}'; }
make_key() { run 20260101T000000 --quick-generate-key "$1 (TEST ONLY) <$1@example.org>" "$2" "$3" "${4:-never}"; }
export_key() { run 20260101T000000 --export "$1@example.org" >"$work/keys/$1"; }
# sign NAME KEY [OPTION...]
sign() { name=$1; key=$2; shift 2; run "${TIME:-20260201T000000}" --local-user "$key" "$@" \
  --output "$work/signatures/$name" "${MODE:---sign}" "$work/payload"; }

digest=$(sha256sum "$here/manifest.json" | cut -d' ' -f1)
cat >"$work/payload" <<END
{"critical":{"identity":{"docker-reference":"registry.example/team/app:1"},"image":{"docker-manifest-digest":"sha256:$digest"},"type":"atomic container signature"},"optional":{"creator":"regenerate.sh","timestamp":1769904000}}
END

for kind in rsa2048 rsa1024 nistp256 nistp384 nistp521 ed25519 brainpoolP256r1 secp256k1 dsa2048; do
  make_key "$kind" "$kind" default
  export_key "$kind"
  sign "$kind" "$kind@example.org"
done
signer=ed25519@example.org

for name in zip zlib bzip2 uncompressed; do sign "$name" "$signer" --compress-algo "$name"; done
for hash in SHA224 SHA384 SHA512; do sign "hash-$hash" "$signer" --digest-algo "$hash"; done
for hash in SHA1 RIPEMD160 MD5; do sign "hash-$hash" rsa2048@example.org --digest-algo "$hash" --allow-weak-digest-algos; done
sign armored "$signer" --armor
sign text-mode "$signer" --textmode
MODE=--clear-sign sign cleartext "$signer"
MODE=--detach-sign sign detached "$signer"
sign two-signers "$signer" --local-user nistp256@example.org
sign two-signers-uncompressed "$signer" --local-user nistp256@example.org --compress-algo none
run 20260201T000000 --local-user "$signer" --sign <"$work/payload" >"$work/signatures/in-parts"
run 20260201T000000 --store --output "$work/signatures/unsigned" "$work/payload"
run 20260201T000000 --passphrase public --symmetric --output "$work/signatures/encrypted" "$work/payload"
sign expiring-signature "$signer" --default-sig-expire 2026-06-01
TIME=20310101T000000 sign from-2031 "$signer"
sign critical-notation "$signer" --sig-notation '!unknown@example.org=1'
sign notation "$signer" --sig-notation 'known@example.org=1'

# Subkeys: the primary key certifies only.
make_key subkey ed25519 cert
run 20260101T000000 --quick-add-key "$(fingerprint subkey@example.org)" nistp256/ecdsa sign never
export_key subkey
sign subkey "$(subkey subkey@example.org)!"
make_key expiring-subkey ed25519 cert
run 20260101T000000 --quick-add-key "$(fingerprint expiring-subkey@example.org)" nistp256/ecdsa sign 2026-06-01
export_key expiring-subkey
sign expiring-subkey "$(subkey expiring-subkey@example.org)!"
make_key revoked-subkey ed25519 cert
run 20260101T000000 --quick-add-key "$(fingerprint revoked-subkey@example.org)" nistp256/ecdsa sign never
sign revoked-subkey "$(subkey revoked-subkey@example.org)!"
printf 'key 1\nrevkey\ny\n0\n\ny\nsave\n' |
  run 20260301T000000 --no-batch --command-fd 0 --edit-key revoked-subkey@example.org >/dev/null
export_key revoked-subkey
# The only key that may sign is another one.
make_key encrypting rsa2048 cert
export_key encrypting

# Expiry, and the same key with its life extended.
make_key expiring ed25519 default 2026-06-01
export_key expiring
sign expiring expiring@example.org
run 20260501T000000 --quick-set-expire "$(fingerprint expiring@example.org)" 2027-06-01
run 20260501T000000 --export expiring@example.org >"$work/keys/expiring-extended"
run 20260501T000000 --export-options export-minimal --export expiring@example.org >"$work/keys/expiring-extended-minimal"

# Revocation by the certificate that gpg makes with each key.
make_key revoked ed25519 default
export_key revoked
sign revoked revoked@example.org
sed 's/^:-----BEGIN/-----BEGIN/' "$GNUPGHOME/openpgp-revocs.d/$(fingerprint revoked@example.org).rev" >"$work/keys/revocation-certificate"
run 20260301T000000 --import "$work/keys/revocation-certificate"
run 20260301T000000 --export revoked@example.org >"$work/keys/revoked-with-certificate"

# certify_revocation KEY TIME REASON [OPTION...]: 1 compromised, 3 no longer used. Binary, on standard output.
certify_revocation() { key=$1; when=$2; reason=$3; shift 3; printf 'y\n%s\n\ny\n' "$reason" |
  run "$when" --no-batch --command-fd 0 "$@" --gen-revoke "$key@example.org" | gpg --batch --quiet --dearmor; }

# Retired from June on, and found to be compromised before.
make_key retired ed25519 default
export_key retired
sign retired retired@example.org
certify_revocation retired 20260601T000000 3 >"$work/keys/retirement"
certify_revocation retired 20260615T000000 1 >"$work/keys/compromise"

# Revoked with a hash that is refused for signatures.
make_key revoked-weakly rsa2048 default
export_key revoked-weakly
sign revoked-weakly revoked-weakly@example.org
certify_revocation revoked-weakly 20260301T000000 1 --cert-digest-algo RIPEMD160 --allow-weak-digest-algos \
  >"$work/keys/weak-revocation"

# Another key may revoke this one.
make_key revoker ed25519 default
make_key revocable ed25519 default
printf 'addrevoker\nrevoker@example.org\ny\nsave\n' |
  run 20260115T000000 --no-batch --command-fd 0 --edit-key revocable@example.org >/dev/null
export_key revocable
sign revocable revocable@example.org

# Rings.
run 20260101T000000 --armor --export "$signer" >"$work/keys/ed25519-armored"
run 20260101T000000 --export "$signer" nistp256@example.org rsa2048@example.org >"$work/keys/three"
{ echo 'Two keys, each in a block of its own.'; for each in nistp256 ed25519; do echo "pub $each"
  run 20260101T000000 --armor --export "$each@example.org"; done; } >"$work/keys/two-armored"
run 20260101T000000 --export-secret-keys "$signer" >"$work/keys/secret"
run 20260101T000000 --armor --export-secret-keys "$signer" >"$work/keys/secret-armored"

# Another implementation.
sq key generate --creation-time 20260101T000000Z --userid '<sq@example.org>' --export "$work/sq.key"
sq key extract-cert --binary --output "$work/keys/sq" "$work/sq.key"
sq sign --binary --time 20260201T000000Z --signer-key "$work/sq.key" --output "$work/signatures/sq" "$work/payload"

to_json() {
  comma='{'
  for file in "$work/$1"/*; do
    printf '%s\n  "%s": "%s"' "$comma" "$(basename "$file")" "$(base64 -w0 "$file")"
    comma=','
  done
  printf '\n}\n'
}
to_json keys >"$here/keys.json"
to_json signatures >"$here/signatures.json"
