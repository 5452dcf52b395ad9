// The kernels of groups of a few channels.
#pragma once

#include "kernels/grouped-inl.h"
#include "kernels/grouped_planes-inl.h"

namespace nconv {

template <class V, GroupedPlanesKind kKind>
constexpr void add_planes(GroupedKernels& set) {
    GroupedPlanes(&sizes)[kGroupedSizes] = set.planes[static_cast<int>(kKind)];
    sizes[0] = planes_kernel<V, kKind, 2>();
    sizes[1] = planes_kernel<V, kKind, 4>();
    sizes[2] = planes_kernel<V, kKind, 8>();
}

template <class V>
constexpr GroupedKernels make_grouped() {
    GroupedKernels set = {grouped_any<V>, {}, {}};
    if constexpr (V::kLanes > 1) {  // one lane gains nothing by tiles of its own
        set.fixed[0] = {3, 1, grouped<V, 3, 1>};
        set.fixed[1] = {3, 2, grouped<V, 3, 2>};
        set.fixed[2] = {2, 1, grouped<V, 2, 1>};
        set.fixed[3] = {1, 1, grouped<V, 1, 1>};
    }
    add_planes<V, GroupedPlanesKind::kSame>(set);
    add_planes<V, GroupedPlanesKind::kDown>(set);
    add_planes<V, GroupedPlanesKind::kUp>(set);
    return set;
}

}  // namespace nconv
