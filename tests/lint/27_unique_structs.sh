#!/bin/sh
# No two structs of cuda/ have one name: as C++ they would be one type to whoever sees both.
found=$(grep -ohE '^struct [a-z_0-9]+ *\{' cuda/*.cu cuda/*.cuh cuda/*.h | sort | uniq -d)
[ -z "$found" ] || { echo "defined twice: $found"; exit 1; }
