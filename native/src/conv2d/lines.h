// Lines: the result positions of one axis in sequences whose neighbours share source positions: tap t of
// position i reads source_first + (i * step + t) * tap_step. Forward without dilation is one line; each
// phase of a strided backward_input is one, and a dilation cuts a phase into as many as keep apart.
#pragma once

#include "conv2d/window.h"

namespace nconv {

struct Line {
    int64_t phase;
    int64_t result_first, result_step;
    int64_t count;
    int64_t source_first, tap_step;  // where tap_step < 0 the line runs against the axis
    int64_t step;
    int64_t taps, kernel_first, kernel_step;
    int64_t inside_first, inside_end;  // the i * step + t that read inside

    // The taps of position i that read inside, as a range.
    int64_t first_tap(int64_t i) const { return clip(inside_first - i * step); }
    int64_t end_tap(int64_t i) const { return max_of(first_tap(i), clip(inside_end - i * step)); }

    // Positions all of whose taps read inside: full_first .. full_end-1.
    int64_t full_first() const { return min_of(count, ceil_div(inside_first, step)); }
    int64_t full_end() const {
        const int64_t end = inside_end < taps ? 0 : (inside_end - taps) / step + 1;
        return max_of(full_first(), min_of(count, end));
    }

private:
    int64_t clip(int64_t tap) const { return max_of(0, min_of(taps, tap)); }
};

class Lines {
public:
    explicit Lines(const Window& axis) : axis_(axis) {}

    // Calls run(line) for each line in turn; stops and returns true when run does.
    template <class Run>
    bool each(const Run& run) const {
        for (int64_t phase = 0; phase < axis_.phases(); ++phase) {
            const int64_t taps = axis_.tap_count(phase), position_step = axis_.source_step();
            const Tap first = taps > 0 ? axis_.tap(phase, 0) : Tap{0, 0};
            const Tap second =
                taps > 1 ? axis_.tap(phase, 1) : Tap{0, first.offset + position_step};
            const int64_t tap_step = second.offset - first.offset;
            const int64_t distance = tap_step < 0 ? -tap_step : tap_step;
            const int64_t apart = distance / gcd(distance, position_step);
            const int64_t size = axis_.phase_size(phase);
            for (int64_t rest = 0; rest < min_of(apart, size); ++rest) {
                Line line;
                line.phase = phase;
                line.count = ceil_div(size - rest, apart);
                const int64_t at = tap_step < 0 ? rest + (line.count - 1) * apart : rest;
                const int64_t direction = tap_step < 0 ? -1 : 1;
                line.result_first = phase + at * axis_.result_step();
                line.result_step = direction * apart * axis_.result_step();
                line.source_first = at * position_step + first.offset;
                line.tap_step = tap_step;
                line.step = apart * position_step / distance;
                line.taps = taps;
                line.kernel_first = first.kernel;
                line.kernel_step = taps > 1 ? second.kernel - first.kernel : 1;
                set_inside(&line, distance);
                if (run(line)) return true;
            }
        }
        return false;
    }

private:
    void set_inside(Line* line, int64_t distance) const {
        const int64_t last = axis_.source_extent() - 1, first = line->source_first;
        const int64_t before = line->tap_step < 0 ? first - last : -first;
        const int64_t behind = line->tap_step < 0 ? first : last - first;
        line->inside_first = before > 0 ? ceil_div(before, distance) : 0;
        line->inside_end = behind < 0 ? 0 : behind / distance + 1;
    }

    const Window axis_;
};

// Up to `most` neighbouring rows of a line, whose source rows are taken together.
struct RowTile {
    Line line;
    int64_t first, rows;

    int64_t result_row() const { return line.result_first + first * line.result_step; }
    int64_t source_row() const { return line.source_first + first * line.step * line.tap_step; }
    // The source rows inside, counted in taps from source_row().
    int64_t first_tap() const { return max_of(0, line.inside_first - first * line.step); }
    int64_t end_tap() const {
        const int64_t end = line.taps == 0 ? 0 : (rows - 1) * line.step + line.taps;
        return max_of(first_tap(), min_of(end, line.inside_end - first * line.step));
    }
};

// Cuts the lines of an axis into near-equal tiles of at most most(line) rows.
template <class Most>
int64_t count_row_tiles(const Lines& lines, const Most& most) {
    int64_t tiles = 0;
    lines.each([&](const Line& line) {
        tiles += ceil_div(line.count, most(line));
        return false;
    });
    return tiles;
}

template <class Most>
RowTile find_row_tile(const Lines& lines, const Most& most, int64_t index) {
    RowTile tile = {};
    lines.each([&](const Line& line) {
        const int64_t tiles = ceil_div(line.count, most(line));
        if (index >= tiles) {
            index -= tiles;
            return false;
        }
        const int64_t first = share_start(line.count, tiles, index);
        tile = {line, first, share_start(line.count, tiles, index + 1) - first};
        return true;
    });
    return tile;
}

}  // namespace nconv
