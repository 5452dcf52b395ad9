// The kernels of groups of a few channels.
#pragma once

#include "kernels/grouped-inl.h"

namespace nconv {

template <class V, int kGroup>
constexpr GroupedSize grouped_size() {
    GroupedSize size = {kGroup, grouped_any<V, kGroup>, {}};
    if constexpr (V::kLanes > 1) {  // one lane gains nothing by tiles of its own
        size.fixed[0] = {3, 3, 1, grouped<V, kGroup, 3, 3, 1>};
        size.fixed[1] = {3, 3, 2, grouped<V, kGroup, 3, 3, 2>};
        size.fixed[2] = {1, 1, 1, grouped<V, kGroup, 1, 1, 1>};
        size.fixed[3] = {1, 2, 1, grouped<V, kGroup, 1, 2, 1>};
        size.fixed[4] = {2, 1, 1, grouped<V, kGroup, 2, 1, 1>};
        size.fixed[5] = {2, 2, 1, grouped<V, kGroup, 2, 2, 1>};
    }
    return size;
}

template <class V>
constexpr GroupedKernels make_grouped() {
    return {GroupedTile<V>::kRows,
            {grouped_size<V, 2>(), grouped_size<V, 4>(), grouped_size<V, 8>()}};
}

}  // namespace nconv
