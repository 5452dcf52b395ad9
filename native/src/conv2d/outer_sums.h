// The sums of the outer algorithm as a matrix, and how its rows are taken together.
#pragma once

#include "conv2d/outer.h"

namespace nconv {

struct Range {
    int64_t first, end;
    int64_t count() const { return end - first; }
};

// The matrix of a group's sums: rows x columns, the columns in blocks of near-equal numbers of vectors.
struct Sums {
    explicit Sums(const Context& context)
        : outputs_in_lanes(has_outputs_in_lanes(context.problem)), lanes(context.kernels->lanes) {
        const Problem& p = context.problem;
        const int64_t filter = p.kernel_taps * p.group_inputs;
        rows = outputs_in_lanes ? filter : p.group_outputs;
        columns = outputs_in_lanes ? p.group_outputs : filter;
        vectors = ceil_div(columns, lanes);
        blocks = ceil_div(vectors, context.kernels->outer->vectors);
        units = blocks * p.groups;
    }
    Range block(int64_t index) const {
        return {even_start(vectors, blocks, index) * lanes,
                min_of(columns, even_start(vectors, blocks, index + 1) * lanes)};
    }
    bool outputs_in_lanes;
    int64_t lanes, rows, columns, vectors, blocks;
    int64_t units;  // blocks of all groups
};

// The rows of the sums as runs of rows whose values lie at a constant step, cut into groups for the tiles that serve
// them in place of rows with an offset each.
struct RowGroups {
    RowGroups(const Context& context, const Sums& s, int64_t input_channel,
              int64_t gradient_channel) {
        const Problem& p = context.problem;
        const bool last = p.channels_last(), one_tap = p.kernel_taps == 1;
        run = s.rows, step = gradient_channel;
        if (s.outputs_in_lanes) {
            step = last || one_tap ? input_channel : p.width.dilation;
            run = last || one_tap ? p.group_inputs : p.width.kernel;
            // Pixels side by side.
            if (last && p.groups == 1 && p.width.dilation == 1) run *= p.width.kernel;
        }
        if (s.vectors > kMaxGroupVectors) return;
        if (s.blocks != 1) return;
        const OuterGroupTiles& k = context.kernels->outer->grouped_rows[s.vectors - 1];
        // Values so far apart that more of them than L1 has ways fall into the same set.
        constexpr int64_t kSets = 512;
        if (k.most == 0 || run < k.each || step % kSets == 0) return;
        per_run = ceil_div(run, k.each);
        // What is computed twice must cost less than the other tiles' waiting.
        const int64_t most = s.vectors == 1 ? 20 : 7;
        if ((per_run * k.each - run) * 100 > run * most) return;
        tiles = &k;
        count = s.rows / run * per_run;
    }
    // The rows of a group: the last one of a run starts early.
    int64_t first(int64_t group) const {
        const int64_t start = group / per_run * run;
        return start + min_of(group % per_run * tiles->each, run - tiles->each);
    }
    int64_t skipped(int64_t group) const {
        return group % per_run + 1 < per_run ? 0 : per_run * tiles->each - run;
    }
    // The rows of some groups of a single run.
    Range rows(Range groups, int64_t all) const {
        if (tiles == nullptr) return groups;
        return {groups.first * tiles->each, min_of(all, groups.end * tiles->each)};
    }
    const OuterGroupTiles* tiles = nullptr;  // null: rows have offsets
    int64_t run, step, per_run = 0, count = 0;
};

}  // namespace nconv
