#!/bin/sh
# A client of an LXD that is made up: what that has is in `state` beside this script, and what it was asked for in `state/log`. What it
# publishes is what it was given. While there
# is `state/hold`, it does not come to the end of an image; if there is `state/full`, it has no room for one; if there is `state/refuse`, it
# takes none.
state=$(dirname "$0")/state
log() { echo "$*" >> "$state/log"; }
log "$*"
mkdir -p "$LXD_CONF" && : > "$LXD_CONF/config.yml" || exit
case "$1 $2" in
    "query /1.0") echo '{"environment": {"server_version": "5.0"}}' ;;
    "query /1.0/instances/"*) test -e "$state/container-${2##*/}" && echo '{}' ;;
    "query /1.0/images/aliases/"*) test -e "$state/image-${2##*/}" && echo "{\"target\": \"${2##*/}\"}" ;;
    "query /1.0/images/"*) echo "{\"size\": $(wc -c < "$state/image-${2##*/}")}" ;;
    "image import") test ! -e "$state/refuse" && cp "$3" "$state/image-$5" ;;
    "image delete") rm "$state/image-$3" ;;
    "image export") cp "$state/image-$3" "$4.tar" ;;
    "init "*) cp "$state/image-$2" "$state/container-$3" ;;
    "delete --force") rm "$state/container-$3" ;;
    "publish "*)
        if [ -e "$state/full" ]; then
            echo "Error: no space left on device" >&2
            exit 1
        fi
        log "publishing"
        while [ -e "$state/hold" ]; do sleep 0.02; done
        cp "$state/container-$2" "$state/image-$4"
        log "published"
        ;;
    *) exit 1 ;;
esac
