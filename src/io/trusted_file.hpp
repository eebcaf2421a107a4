#pragma once
// Files that decide what is done as root: whoever may write one decides it.
#include <string>

#include "io/files.hpp"

namespace belay::io {

// ok where the file is a plain one that only root may write, itself and by its directory; in a rehearsal the user this
// runs as counts as root. permission_denied with what to mend; not_found.
Status check_trusted(const Files& files, const std::string& path);

}  // namespace belay::io
