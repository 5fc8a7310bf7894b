#!/usr/bin/env bash
# Measure the bundled weights, and write the model card, the README's tables and the report.
# A result that is there already is kept: delete what shall be measured again.
#
#   Resources/Results/measure.sh BR35H_FOLDER SCAN...
#
# RUNS, a folder of runs that 'neural-diffusion ablate' trained (see below), adds the networks trained here to the table.
# Less than an hour on two cores with the numbers below; what is trained in RUNS, hours the first time. Learning curves
# appear in the report if they are copied here under a name that ends in curves.csv.
set -euo pipefail

slices=0           # of the Rician table with every method, original split; 0 means all 450
slices_grouped=0   # of the same on the grouped split, without the peers
slices_other=0     # of the other tables with every method
slices_sweep=12    # of each of the 336 cells of the sweep
slices_checks=40   # of the lesions and the envelope
slices_volume=40   # middle slices of each scan
device=cpu         # the classical filters always use the CPU: times compare only there
RUNS=${RUNS:-}

results=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$results/../.." && pwd)
data=$1
shift

once() { # name, command and its options; the result goes to NAME.json
    local name=$1
    shift
    [ -e "$results/$name.json" ] || neural-diffusion "$@" --device "$device" --json "$results/$name.json"
}

trained=()
if [ -n "$RUNS" ]; then
    once ablation ablate --data "$data" --output "$RUNS" --of design
    once competitors ablate --data "$data" --output "$RUNS" --of competitors
    add() { # row of the table, folder of its run
        [ -e "$RUNS/$2/best.ckpt" ] && trained+=(--trained "$1=$RUNS/$2/best.ckpt") || true
    }
    add "Plain U-Net, short run" plain-u-net
    add "U-Net with our noise level and inversion, short run" u-net-with-our-noise-level-and-inversion
    add "DnCNN-class, short run" dncnn-class
    add "Original network, short run" original-network
    add "Ours, short run" full
fi

# The table of every method, for each noise type and split; mixed noise is the network's own judgement of the type.
once rician evaluate --data "$data" --noise rician --methods all --limit "$slices" "${trained[@]}"
once rician_grouped evaluate --data "$data" --noise rician --split grouped --methods published,tuned,ours --limit "$slices_grouped"
for noise in gaussian speckle mixed; do
    once "$noise" evaluate --data "$data" --noise "$noise" --methods published,tuned,ours --limit "$slices_other"
    once "${noise}_grouped" evaluate --data "$data" --noise "$noise" --split grouped --limit "$slices_other"
done
# Does bfloat16 cost anything, and are slices without noise, or with little, left alone?
once rician_float32 evaluate --data "$data" --precision float32 --limit "$slices_other"
once rician_noise_free evaluate --data "$data" --sigma 0 --neighbours 8 --limit "$slices_other"
once rician_faint evaluate --data "$data" --sigma 0.01 --neighbours 8 --limit "$slices_other"

once sweep sweep --data "$data" --limit "$slices_sweep" --plots "$results/plots"
once checks fidelity --data "$data" --methods ours,tuned --limit "$slices_checks"
once volumes evaluate-volumes "$@" --template --slices "$slices_volume"

neural-diffusion card "$results" "$root/NeuralDiffusion/NeuralDiffusionLib/weights/README.md"
neural-diffusion report "$results" "$results/report.html" --readme "$root/README.md"
