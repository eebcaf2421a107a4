#pragma once
// The embedded default: one file, WAL, every commit on disk before it is acknowledged; one writer at a time in this
// process, a small pool of readers beside it. A second process may open it; writers then wait for each other (10 s).
#include <memory>
#include <string>

#include "store/store.hpp"

namespace belay::store::sqlite {

struct Options {
  std::size_t readers = 4;
};

// Makes the file (mode 0600, its folder must exist) and brings the schema to this version. conflict where the schema
// is newer than this program; corrupt where the file is no database of ours.
Result<std::unique_ptr<Store>> open(const std::string& path, Seams seams, Options options = {});

}  // namespace belay::store::sqlite
