#!/usr/bin/env bash
# Measure the bundled weights, and write the model card, the report, and the tables of the README and of the pages here.
# A result that is there already is kept: delete what shall be measured again.
#
#   Resources/Results/measure.sh BR35H_FOLDER SCAN...
#
# RUNS, a folder of runs (see "trained" below), adds the networks trained here to the table. Without it they are left out.
# What is measured takes three hours on two cores with the numbers below; what is trained in RUNS takes hours the first
# time.
# Learning curves appear in the report if they are copied here under a name that ends in curves.csv.
set -euo pipefail

slices=0             # of the tables; 0 means all 450
slices_sweep=48      # of each of the 336 cells of the sweep
slices_defaults=0    # of each of its cells at the default settings
slices_checks=100    # of the lesions and the envelope
slices_volume=40     # middle slices of each scan
epochs_original=10   # of 300, of the student project's own experiment; its variant with trained guidance gets 3
device=cpu           # the classical filters always use the CPU: times compare only there
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

control="U-Net with our noise level and inversion"
# The student project's experiment. Finished runs are kept.
trained=()
examples=()
if [ -n "$RUNS" ]; then
    for guidance in detached trained; do
        network=original
        epochs=$epochs_original
        [ "$guidance" = trained ] && network=original-trained-guidance && epochs=3
        neural-diffusion train --config original --network "$network" --set epochs="$epochs" \
            --set precision=fast --set validate_every=1 --data "$data" --output "$RUNS/original-$guidance"
        cp "$RUNS/original-$guidance/curves.csv" "$results/original_${guidance}_curves.csv"
    done
    once ablation ablate --data "$data" --output "$RUNS" --of design
    once ablation_grouped ablate --data "$data" --output "$RUNS/grouped" --of design --set split=grouped
    # Would other optimisers suit the others better?
    once optimisers ablate --data "$data" --output "$RUNS" --of optimisers
    # And is it a matter of luck?
    for seed in 1 2; do
        once "competitors_seed_$seed" ablate --data "$data" --output "$RUNS/seed-$seed" --of competitors \
            --set seed="$seed" --only "Plain U-Net" --only "$control"
    done
    # Does the lead last when all train six times as long?
    once competitors_24_epochs ablate --data "$data" --output "$RUNS/24-epochs" --of competitors --set epochs=24 \
        --set validate_every=24 --only "Plain U-Net" --only "$control"
    # Do the parts that cost something in runs so short pay in runs three times as long?
    once ablation_12_epochs ablate --data "$data" --output "$RUNS/12-epochs" --of design --set epochs=12 \
        --set validate_every=12 --only "Fixed step sizes" --only "No average of the weights" --only "No bias treatment"
    examples=(
        --trained "Plain U-Net, 4 epochs=$RUNS/plain-u-net/best.ckpt"
        --trained "Original network, $epochs_original of 300 epochs=$RUNS/original-detached/best.ckpt"
    )
fi

compete() { # noise and split: trains networks for them on one budget, and names them in `trained`
    local noise=$1 split=$2 folder=$RUNS name=competitors only=()
    trained=()
    [ -n "$RUNS" ] || return 0
    [ "$split" = original ] || { folder=$folder/$split && name=${name}_$split; }
    [ "$noise" = rician ] || {
        folder=$folder/$noise && name=${name}_$noise
        only=(--only "Plain U-Net" --only "$control" --only DnCNN-class --only "Original network")
    }
    once "$name" ablate --data "$data" --output "$folder" --of competitors --noise "$noise" --set split="$split" \
        "${only[@]}"
    trained=(
        --trained "Plain U-Net, short run=$folder/plain-u-net/best.ckpt"
        --trained "$control, short run=$folder/u-net-with-our-noise-level-and-inversion/best.ckpt"
        --trained "DnCNN-class, short run=$folder/dncnn-class/best.ckpt"
        --trained "Ours, short run=$folder/full/best.ckpt"
    )
    local original="Original network, guidance"
    case $noise-$split in
        rician-original)
            trained+=(
                --trained "$original detached, $epochs_original of 300 epochs=$RUNS/original-detached/best.ckpt"
                --trained "$original trained, 3 of 300 epochs=$RUNS/original-trained/best.ckpt"
            ) ;;
        rician-grouped)
            trained+=(
                --trained "$original detached, short run=$folder/original-network/best.ckpt"
                --trained "$original trained, short run=$folder/original-network--guidance-trained/best.ckpt"
                --trained "Ours, short run on the training part of the original split=$RUNS/full/best.ckpt"
            ) ;;
        *) trained+=(--trained "$original detached, short run=$folder/original-network/best.ckpt") ;;
    esac
}

# How much do equal runs differ? With other threads the rounding is another.
if [ -n "$RUNS" ]; then
    for split in original grouped; do
        name=competitors_mixed_two_threads
        [ "$split" = original ] || name=competitors_grouped_mixed_two_threads
        OMP_NUM_THREADS=2 once "$name" ablate --data "$data" --output "$RUNS/two-threads/$split" --of competitors \
            --noise mixed --set split="$split" --only "Plain U-Net" --only "$control"
    done
fi

# The table of every method, for each noise type and split; for mixed noise ours judges the type itself.
for noise in rician gaussian speckle mixed; do
    for split in original grouped; do
        name=$noise
        [ "$split" = original ] || name=${noise}_$split
        compete "$noise" "$split"
        once "$name" evaluate --data "$data" --noise "$noise" --split "$split" --methods all --limit "$slices" \
            "${trained[@]}"
    done
done
# What does training on the grouped part cost? The three steps in which the bundled weights were trained, all of them on
# it, and all with the network of today: the bundled weights took their first step before its context levels were there.
if [ -n "$RUNS" ]; then
    long=$RUNS/grouped-long
    before=()
    for step in shipped finish polish; do
        neural-diffusion train --config "$step" --set split=grouped --data "$data" --output "$long/$step" \
            --device "$device" "${before[@]}"
        cp "$long/$step/curves.csv" "$results/${step}_grouped_curves.csv"
        before=(--init "$long/$step/best.ckpt")
    done
    for noise in rician gaussian speckle; do
        once "${noise}_grouped_long" evaluate --data "$data" --noise "$noise" --split grouped --methods ours \
            --neighbours 8 --limit "$slices" \
            --trained "Ours, trained like the weights that ship, on the training part of grouped=$long/polish/best.ckpt"
    done
fi
# Does bfloat16 cost anything, and are slices without noise, or with little, left alone?
once rician_float32 evaluate --data "$data" --precision float32 --limit "$slices"
once rician_levers evaluate --data "$data" --methods ours,levers --neighbours 8 --limit "$slices"
once rician_noise_free evaluate --data "$data" --sigma 0 --neighbours 8 --limit "$slices"
once rician_faint evaluate --data "$data" --sigma 0.01 --neighbours 8 --limit "$slices"
# How much depends on the draw of the noise?
for draw in 1 2 3; do
    once "rician_draw_$draw" evaluate --data "$data" --draw "$draw" --methods ours,peers --neighbours 8 --limit "$slices"
done

once sweep sweep --data "$data" --limit "$slices_sweep" --plots "$results/plots"
once sweep_grouped sweep --data "$data" --split grouped --limit "$slices_sweep"
for split in original grouped; do
    name=
    methods=tuned,peers,ours
    [ "$split" = original ] || { name=_$split && methods=peers,ours; }
    once "sweep_default$name" sweep --data "$data" --split "$split" --limit "$slices_defaults" --neighbours 8 --iterations 16
    compete rician "$split"
    once "checks$name" fidelity --data "$data" --split "$split" --methods "$methods" --limit "$slices_checks" \
        "${trained[@]}"
done
once volumes evaluate-volumes "$@" --template --bm4d --slices "$slices_volume"
# Of all slices BM4D would take hours.
once volumes_whole evaluate-volumes "$@" --template

# What blind-spot training on one noisy scan brings there: the scan of 'make demo', 9 % Rician noise.
noisy=$root/demo-output/noisy.nrrd
adapted=$(mktemp --suffix=.pt)
[ -e "$results/volumes_adapted.json" ] || neural-diffusion adapt "$noisy" --output "$adapted" --device "$device"
once volumes_adapted evaluate-volumes --template --no-peers --slices "$slices_volume" --weights "$adapted"
rm -f "$adapted"

# How a cohort would scale, from three of the demo's scan; for this and for the speed nothing else may run.
if [ ! -e "$results/scaling.md" ]; then
    cohort=$(mktemp -d)
    for copy in 1 2 3; do cp "$noisy" "$cohort/$copy.nrrd"; done
    neural-diffusion batch "$cohort/*.nrrd" "$cohort/clean" --workers 1 --device "$device"
    neural-diffusion scale "$cohort/clean" --markdown "$results/scaling.md"
    rm -rf "$cohort"
fi
bench_networks=()
[ -z "$RUNS" ] || bench_networks=(
    --trained "Plain U-Net, short run=$RUNS/plain-u-net/best.ckpt"
    --trained "DnCNN-class, short run=$RUNS/dncnn-class/best.ckpt"
)
# bench_avx2.json is the same on a computer whose CPU has no instructions for bfloat16: bench --no-scaling --no-large
once bench bench --compile --plot "$results/plots/scaling.png" "${bench_networks[@]}"

neural-diffusion card "$results" "$root/NeuralDiffusion/NeuralDiffusionLib/weights/README.md"
neural-diffusion report "$results" "$results/report.html" --readme "$root/README.md" \
    --readme "$results/quality.md" --readme "$results/speed.md" "${examples[@]}"
