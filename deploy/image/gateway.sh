#!/bin/sh
# Build stage: the gateway itself, byte code, the list of components, and the embedded model's weights if they are wanted.
#
# ROOT stands for / where a test runs this.
set -eu
root="${ROOT:-}"
source="$root/source"
home="$root/opt/splitgate"

cd "$source"
"$root/build/bin/python" -m hatchling build --target wheel --directory "$root/build/dist"
python3 -m pip --python "$home/bin/python" --no-input install --quiet --no-compile --no-deps --no-index \
  "$root"/build/dist/splitgate-*.whl
# Weights are there for whoever asks for the part, those that the wheel carries as well.
case " ${PARTS:-} " in
  *" embedded "*) ;;
  *) rm -f "$home"/lib/python3*/site-packages/adapters/embedded/split/*.gguf ;;
esac
# Nobody may write here later on. Files are found changed by what is in them, not by when they were written.
"$home/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$home/lib"

"$home/bin/python" "$source/deploy/image/sbom.py" "$home/locked.txt" > "$home/sbom.cdx.json"
cp "$source/deploy/image/health.py" "$source/LICENSE" "$home/"

case " ${PARTS:-} " in
  *" embedded "*) SPLITGATE_CACHE="$home/cache" "$home/bin/python" -m adapters.embedded.prepare ;;
esac
