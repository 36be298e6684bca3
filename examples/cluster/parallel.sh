#!/bin/sh
# A block a process with GNU parallel, here or on other machines that share this folder; then one model.
#
#   sh parallel.sh DATA BLOCKS OUT [options of noprop train …]
#
# PARALLEL='--sshlogin 4/one,4/two --workdir .' spreads it over machines, four blocks at a time on each. All need the same kind of
# processor. Begun again with the same PARTS folder it goes on where it was.
set -eu

data=$1 blocks=$2 out=$3
shift 3
parts=${PARTS:-$(mktemp -d "$PWD/noprop-parts-XXXXXX")}
mkdir -p "$parts"
export PARTS="$parts"
# Arguments reach the other shell as they are.
seq 1 "$blocks" | parallel --quote --halt now,fail=1 --retries 3 \
  ${NOPROP:-noprop} train --data "$data" --blocks "$blocks" "$@" --only-blocks {} --threads 1 \
  --checkpoint "$parts/state-{}" --resume --out "$parts/{}.safetensors"
exec ${NOPROP:-noprop} assemble "$parts"/*.safetensors --out "$out"
