#!/bin/sh
# No two structs of cuda/ have one name: as C++ they would be one type. Tags without members may.
found=$(awk '/^struct [a-z_0-9]+ *\{/ {name = $2; next} name && !/^\}/ {print name} {name = ""}' \
    cuda/*.cu cuda/*.cuh cuda/*.h | sort | uniq -d)
[ -z "$found" ] || { echo "defined twice: $found"; exit 1; }
