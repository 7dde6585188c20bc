#!/bin/sh
# Reports over records full of hostile text, put to xmllint with the schema of RFC 9990.  VIDIMUS_XML_RECORDS=100000 for many.
command -v xmllint >/dev/null || { echo "xmllint is not there"; exit 77; }
dir=$(mktemp -d xml-valid-XXXXXX) || exit 99
trap 'rm -rf "$dir"' EXIT
tests/report/genxml "$dir" "${VIDIMUS_XML_RECORDS:-3000}" "${VIDIMUS_SEED:-1}" || exit 1
xmllint --huge --noout --schema "${srcdir:-.}/tests/report/dmarc-aggregate.xsd" "$dir"/*.xml >"$dir/log" 2>&1 || { tail -n 20 "$dir/log"; exit 1; }
echo "$(cat "$dir"/*.xml | grep -c '<record>') records in $(ls "$dir"/*.xml | wc -l) reports, all valid"
