#!/bin/sh
# docs/ops.md is what docs/ops.sh makes of core/ops.def.
docs/ops.sh | diff - docs/ops.md
