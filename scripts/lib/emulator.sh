# Sourced by scripts that need AWS: the emulator bed (tests/bed/) for as long as the script runs.
#
#   start_emulator [ARGUMENT...]    starts tests/bed/emulator.py with a proxy for prices and pages on free ports; exports the
#                                   AWS environment of an account of its own, and nothing of the caller's
#   emulator_inventory              prints what exists in that account, as JSON
#   stop_emulator                   ends it; it also ends when the script ends in any way (its standard input closes)

bed_root=$PWD
bed_python=target/bed-venv/bin/python

# start_server NAME SCRIPT ARGUMENT...: starts a server (of the bed, if it is named without a path), sets NAME_url, keeps its
# input open in a descriptor.
start_server() {
  local name=$1 script=$2 pipe url input
  shift 2
  pipe=$(mktemp -u "${TMPDIR:-/tmp}/kspot-bed.XXXXXX")
  mkfifo "$pipe.in" "$pipe.out"
  case $script in
    /*) ;;
    *) script=$bed_root/tests/bed/$script && set -- --port 0 --lifeline "$@" ;;
  esac
  PYTHONDONTWRITEBYTECODE=1 "$bed_root/$bed_python" "$script" "$@" <"$pipe.in" >"$pipe.out" 2>>"${BED_LOG:-/dev/null}" &
  exec {input}>"$pipe.in"
  read -r _ url <"$pipe.out" || true
  rm -f "$pipe.in" "$pipe.out"
  [ -n "$url" ] || { echo "$script did not start" >&2; return 1; }
  printf -v "${name}_url" %s "$url"
  bed_inputs+=("$input")
}
bed_inputs=()

start_emulator() {
  local variable
  start_server emulator emulator.py "$@"
  start_server prices paging.py --upstream "$emulator_url" --prices --regional
  for variable in $(compgen -e | grep -E '^(AWS|KSPOT|KOPS)_' || true); do
    unset "$variable"
  done
  export AWS_ENDPOINT_URL=$prices_url AWS_ACCESS_KEY_ID=AKIA000000000001DEMO AWS_SECRET_ACCESS_KEY=bed
  export AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
}

emulator_inventory() {
  "$bed_python" -c '
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1] + "/_bed/inventory?account=000000000001&region=us-east-1").read().decode())
' "$emulator_url"
}

stop_emulator() {
  local input
  for input in "${bed_inputs[@]}"; do
    exec {input}>&-
  done
  bed_inputs=()
  wait
}
