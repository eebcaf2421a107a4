#pragma once
// Prometheus' text format 0.0.4. Names and label names are ours and need no check; label values are quoted.
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace belay::server {

class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  // Once before the samples of a name; `kind` is counter, gauge or histogram, `help` one line.
  void family(std::string_view name, std::string_view kind, std::string_view help = {}) {
    if (!help.empty()) text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text_.append("# TYPE ").append(name).append(" ").append(kind).append("\n");
  }
  void sample(std::string_view name, Labels labels, const std::string& value) {
    text_.append(name);
    char before = '{';
    for (const auto& [label, content] : labels) {
      text_.append(1, std::exchange(before, ',')).append(label).append("=\"");
      for (const char c : content) {
        if (c == '"' || c == '\\') text_ += '\\';
        text_ += c == '\n' ? ' ' : c;
      }
      text_ += '"';
    }
    if (labels.size() > 0) text_ += '}';
    text_.append(" ").append(value).append("\n");
  }
  void sample(std::string_view name, Labels labels, std::uint64_t value) {
    sample(name, labels, std::to_string(value));
  }
  void one(std::string_view name, std::string_view kind, std::uint64_t value) {
    family(name, kind);
    sample(name, {}, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace belay::server
