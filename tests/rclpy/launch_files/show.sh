# Shows its words, and the variables of the test.
shown=SHOW
for word in "$@"; do shown="$shown|$word"; done
echo "$shown" $(env | grep '^L_' | sort)
