#!/bin/sh
# A block a task, on any machines of a Slurm cluster that share this folder; then one model.
#
#   sh slurm.sh DATA BLOCKS OUT [options of noprop train …]
#
# A task that is killed or requeued goes on from its checkpoint. All nodes must have the same kind of processor (--constraint), or
# NOPROP_SIMD=avx2 set for all of them: other kinds round otherwise, and their parts are refused.
set -eu

if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
  # On the machine where it is started: an array of a task a block, and a last one that waits for all of them.
  data=$1 blocks=$2 out=$3
  parts=$(mktemp -d "$PWD/noprop-parts-XXXXXX")
  array=$(sbatch --parsable --requeue --array="1-$blocks" --output="$parts/%a.log" "$0" "$parts" "$@")
  exec sbatch --wait --dependency="afterok:$array" --kill-on-invalid-dep=yes --output="$parts/assemble.log" \
    --wrap="${NOPROP:-noprop} assemble '$parts'/*.safetensors --out '$out'"
fi

parts=$1 data=$2 blocks=$3
shift 4
block=$SLURM_ARRAY_TASK_ID
exec ${NOPROP:-noprop} train --data "$data" --blocks "$blocks" "$@" --only-blocks "$block" \
  --threads "${SLURM_CPUS_PER_TASK:-1}" --checkpoint "$parts/state-$block" --resume --out "$parts/$block.safetensors"
