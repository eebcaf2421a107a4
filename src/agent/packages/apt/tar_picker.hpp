#pragma once
// Small files out of a tar stream as it comes (`dpkg-deb --fsys-tarfile`), nothing else of it being kept.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace belay::agent::apt {

class TarPicker {
 public:
  // `wanted` is asked once for each regular file, its name without a leading "./". Files over bytes_max are passed
  // over.
  TarPicker(std::function<bool(std::string_view name)> wanted, std::size_t bytes_max)
      : wanted_(std::move(wanted)), bytes_max_(bytes_max) {}

  void take(std::string_view text);  // the next piece of the stream
  // What was whole so far, by name; at most 16 files.
  const std::map<std::string, std::string>& files() const { return files_; }

 private:
  void begin_member();
  void end_member();

  std::function<bool(std::string_view)> wanted_;
  std::size_t bytes_max_;
  std::map<std::string, std::string> files_;
  enum class Part { header, content, over } part_ = Part::header;
  std::string header_, name_, long_name_, content_;
  std::uint64_t content_left_ = 0, padding_left_ = 0;
  enum class Kind { passed_over, long_name, file } kind_ = Kind::passed_over;
};

}  // namespace belay::agent::apt
