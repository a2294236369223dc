module habari.local/node/pause

go 1.26.0
