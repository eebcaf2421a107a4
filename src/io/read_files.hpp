#pragma once
// The half of the real Files that needs no durable order. Only for io's own sources.
#include <string>
#include <vector>

#include "io/files.hpp"

namespace belay::io {

// A crash in write_durable leaves a file of such a name behind; list() passes it over.
inline constexpr std::string_view kTemporaryPrefix = ".belay-new-";

class ReadFiles : public Files {
 public:
  Result<std::string> read(const std::string& path, std::size_t bytes_max) const override;
  Status remove_tree(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) const override;
  Result<FileInfo> info(const std::string& path) const override;
  Result<std::string> read_link(const std::string& path) const override;
  Result<Space> space(const std::string& path) const override;
};

}  // namespace belay::io
