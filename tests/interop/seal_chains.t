#!/bin/sh
# ARC chains through us, dkimpy and Mail::DKIM in turn; the whole 50 hops: SEAL_HOPS=50 (three minutes).
top=${srcdir:-.}
python=/usr/bin/python3
[ -x $python ] || python=python3
exec $python "$top/tests/interop/chains.py" ./vidimus "${SEAL_HOPS:-7}"
