#!/bin/sh
# yol.sh GIRDI YOL SIRA ADET: agacin kokunu onaltilik yazar / prints the tree's root in hexadecimal (RFC 6962)
# GIRDI: yaprak girdisi / leaf input; YOL: 32 baytlik kardesler / siblings; SIRA, ADET: index (from 0), size
set -eu
girdi=$1 yol=$2 sira=$3 son=$(($4 - 1)) okunan=0 yer=$(mktemp -d)
trap 'rm -r "$yer"' EXIT
{ printf '\000'; cat "$girdi"; } | openssl dgst -sha256 -binary >"$yer/dugum"
while [ "$son" -gt 0 ]; do
  if [ $((sira % 2)) -eq 1 ] || [ "$sira" -lt "$son" ]; then
    dd if="$yol" of="$yer/kardes" bs=32 skip="$okunan" count=1 2>/dev/null
    okunan=$((okunan + 1))
    if [ $((sira % 2)) -eq 1 ]; then set -- "$yer/kardes" "$yer/dugum"; else set -- "$yer/dugum" "$yer/kardes"; fi
    { printf '\001'; cat "$@"; } | openssl dgst -sha256 -binary >"$yer/ust"
    mv "$yer/ust" "$yer/dugum"
  fi
  sira=$((sira / 2)) son=$((son / 2))
done
[ "$(wc -c <"$yol")" -eq $((32 * okunan)) ]
printf '%s' $(od -An -v -tx1 "$yer/dugum")
