# Remembers what something was built from, so that it is built again only if that changes. To be
# sourced by the scripts that build or install.

# Succeeds if the files are the ones that write_stamp recorded in STAMP.
is_current() { # is_current STAMP FILE...
    stamp=$1
    sum=$(cat "${@:2}" | sha256sum) || exit 1
    [[ -e $stamp && $(<"$stamp") == "$sum" ]]
}

# Records the files of the last is_current. Call it when everything is in place.
write_stamp() {
    echo "$sum" >"$stamp"
}
