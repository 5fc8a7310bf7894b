#!/usr/bin/env bash
# Measure the bundled weights and write the model card; a result that is there already is kept, so delete old ones.
#   Resources/Results/measure.sh BR35H_FOLDER SCAN...
set -euo pipefail
results=$(cd "$(dirname "$0")" && pwd)
data=$1
shift
evaluate() { # name, options of evaluate
    local name=$1
    shift
    [ -e "$results/$name.json" ] || neural-diffusion evaluate --data "$data" --json "$results/$name.json" "$@"
}

evaluate rician --noise rician --limit 450
evaluate rician_4_neighbours --noise rician --neighbours 4 --limit 450
evaluate rician_float32 --noise rician --precision float32 --limit 450
evaluate rician_noise_free --noise rician --sigma 0 --limit 450
for noise in gaussian speckle mixed; do
    evaluate "$noise" --noise "$noise" --limit 450
done
for noise in gaussian rician speckle; do
    for sigma in 0.05 0.10 0.15 0.20; do
        evaluate "${noise}_$sigma" --noise "$noise" --sigma "$sigma" --limit 450
    done
done
for iterations in 1 4 8 32 64; do
    evaluate "rician_${iterations}_iterations" --noise rician --iterations "$iterations" --limit 450
done
[ -e "$results/volumes.json" ] || neural-diffusion evaluate-volumes --slices 40 --json "$results/volumes.json" "$@"
neural-diffusion card "$results" "$results/../../NeuralDiffusion/NeuralDiffusionLib/weights/README.md"
