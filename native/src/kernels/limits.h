// What all kernels share: the order of sums in lanes, and the largest tiles.
#pragma once

namespace nconv {

constexpr int kVirtualLanes = 16;
constexpr int kMaxTileRows = 12;
constexpr int kMaxTileVectors = 4;

}  // namespace nconv
