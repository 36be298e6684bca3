#!/bin/sh
# Runs the check by the Node of this machine, or by the one that is carried along where there is none or an old one. It takes
# the options of `npm run gpu:check`.
cd "$(dirname "$0")" || exit 1
node=node
if ! node scripts/check-node.cjs >/dev/null 2>&1; then
  node=./node
  if [ ! -x node ]; then
    [ -f node.gz ] || { echo 'There is no Node here, and none was packed: install Node 20.17 or newer.' >&2; exit 1; }
    # Under another name until it is whole.
    gzip -dc node.gz >node.partial && chmod +x node.partial && mv node.partial node || exit 1
  fi
fi
exec "$node" scripts/gpu/check.mjs "$@"
