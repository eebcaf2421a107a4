#pragma once
// What an order prints, kept in a file as it comes, for the agent to pass on: bounded, written at most once a second.
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "io/files.hpp"

namespace belay::agent {

class OutputFile {
 public:
  OutputFile(io::Files& files, const Clock& clock, std::string path)
      : files_(files), clock_(clock), path_(std::move(path)) {}
  ~OutputFile() { flush(); }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void add(std::string_view text);  // sanitized here
  void flush();

 private:
  io::Files& files_;
  const Clock& clock_;
  std::string path_;
  std::string waiting_;
  std::size_t written_bytes_ = 0;
  Duration flushed_at_{};
};

}  // namespace belay::agent
