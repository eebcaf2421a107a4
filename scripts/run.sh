#!/bin/sh
# make run: the server and this machine's own agent, out of .belay/ in the checkout; a scan; the report.
# Nothing on the machine is changed. A second run finds everything as it was.
set -eu
cd "$(dirname "$0")/.."
state=${BELAY_STATE:-$PWD/.belay}
port=${BELAY_PORT:-8443}
http_port=${BELAY_HTTP_PORT:-8480}
bin=build/bin
mkdir -p "$state"
chmod 700 "$state"

server="" agent=""
stop() {
  for pid in $agent $server; do kill "$pid" 2>/dev/null || true; done
  for pid in $agent $server; do wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 141' PIPE

fail() {
  echo "belay: $1" >&2
  [ ! -f "$2" ] || tail -n 15 "$2" >&2
  exit 1
}

# Waits up to $1 seconds until the command succeeds, but not for a process $2 that has ended.
wait_until() {
  tries=$(($1 * 10))
  process=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    kill -0 "$process" 2>/dev/null || return 1
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

echo "belay: starting the server (state in .belay/server)"
$bin/belayd --data "$state/server" --listen "127.0.0.1:$port" --http "127.0.0.1:$http_port" >"$state/server.out" 2>"$state/server.log" &
server=$!
wait_until 30 "$server" grep -q '^belayd ready' "$state/server.out" || fail "the server did not start; the end of .belay/server.log:" "$state/server.log"

set -a
# shellcheck disable=SC1091
. "$state/server/admin.env"
set +a

if [ ! -f "$state/agent/node-id" ]; then
  echo "belay: enrolling this machine (state in .belay/agent)"
  answer=$($bin/belay activation create -o json --name "$(hostname)" --tag Environment=local --description "this machine, by make run")
  id=$(printf '%s' "$answer" | sed -n 's/.*"ActivationId": *"\([^"]*\)".*/\1/p')
  printf '%s' "$answer" | sed -n 's/.*"ActivationCode": *"\([^"]*\)".*/\1/p' |
    $bin/belay-agent enroll --server "$BELAY_URL" --ca "$BELAY_CA" --activation-id "$id" --activation-code - --state "$state/agent" ||
    fail "this machine could not be enrolled" "$state/server.log"
fi
node=$(cat "$state/agent/node-id")

$bin/belay-agent run --state "$state/agent" --lists "$state/agent/lists" >"$state/agent.log" 2>&1 &
agent=$!

online() { $bin/belay nodes -o csv | grep "^$node," | grep -q Online; }
wait_until 30 "$agent" online || fail "the agent did not come online; the end of .belay/agent.log:" "$state/agent.log"

echo "belay: scanning this machine (package lists older than a day are fetched into .belay/agent/lists)"
$bin/belay scan "$node" --wait || fail "the scan failed; the end of .belay/agent.log:" "$state/agent.log"
echo
$bin/belay compliance "$node" || [ $? = 9 ]

if [ -n "${ONCE:-}" ]; then exit 0; fi
cat <<TEXT

Belay is running. Open http://127.0.0.1:$http_port/ in a browser (it asks for a name and a password:
any name; the password is BELAY_TOKEN in .belay/server/admin.env), or try in another shell:
  set -a; . .belay/server/admin.env; set +a
  build/bin/belay nodes
  build/bin/belay plan $node
  aws ssm describe-instance-patch-states --instance-ids $node --endpoint-url "\$AWS_ENDPOINT_URL_SSM"
Ctrl-C stops it.
TEXT
wait "$server"
