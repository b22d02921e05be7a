#!/bin/sh
# Slurm: an array of four tasks, each of which runs its part of the tests. What stands behind the script's name goes to `bringup test`:
#   sbatch --wait examples/slurm.sh scripts; bringup merge reports --html report.html
#SBATCH --job-name=kernel-tests
#SBATCH --array=1-4
#SBATCH --cpus-per-task=1
mkdir -p reports
exec bringup test "$@" --shard auto --jobs 1 --reporter list --reporter json="reports/$SLURM_ARRAY_TASK_ID.json" --junit "reports/$SLURM_ARRAY_TASK_ID.xml"
