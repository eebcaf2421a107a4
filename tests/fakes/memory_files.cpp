#include "tests/fakes/memory_files.hpp"

#include <algorithm>
#include <exception>

namespace belay::fakes {
namespace {

using Kind = io::FileInfo::Kind;

std::string normal(const std::string& path) {
  std::string result = path;
  while (result.size() > 1 && result.back() == '/') result.pop_back();
  return result;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return "";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool lies_below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder == "/" ? "/" : folder + "/");
}

Error absent(const std::string& what, const std::string& path) {
  return Error(Code::not_found, what + " " + path + ": No such file or directory");
}

}  // namespace

template <typename Apply>
Status MemoryFiles::change(const std::string& what, bool durable, Apply apply) {
  changes_.push_back(what);
  // What a destructor still writes while the kill unwinds the stack reaches no disk, and must not throw again.
  if (dead_ && std::uncaught_exceptions() > 0) return Error(Code::unavailable, "the program was killed");
  if (dead_) throw Killed{what};
  if (!spared_.empty() && what.ends_with(spared_)) return apply(now_, false);
  const bool fails = fail_at_ && --*fail_at_ == 0;
  const bool dies = kill_at_ && --*kill_at_ == 0;
  if (fails) {
    fail_at_.reset();
    return failure_;
  }
  const auto carry_out = [&](bool torn) -> Status {
    BELAY_TRY(apply(now_, torn));
    return durable ? apply(durable_, torn) : Status();
  };
  if (dies) {
    dead_ = true;
    if (kill_ != Kill::before) static_cast<void>(carry_out(kill_ == Kill::torn));
    throw Killed{what};
  }
  return carry_out(false);
}

MemoryFiles::Node MemoryFiles::make_node(Kind kind, std::string content, std::uint32_t mode) const {
  return Node{kind, std::move(content), mode, clock_ ? clock_->now() : Instant{}};
}

void MemoryFiles::add_parents(Tree& tree, const std::string& path, const Node& directory) {
  for (auto parent = parent_of(path); !parent.empty() && parent != "/"; parent = parent_of(parent))
    tree.try_emplace(parent, directory);
}

void MemoryFiles::put(const std::string& path, std::string content, std::uint32_t mode) {
  const std::scoped_lock lock(mutex_);
  for (auto* tree : {&now_, &durable_}) {
    add_parents(*tree, path, make_node(Kind::directory, {}, 0755));
    (*tree)[path] = make_node(Kind::file, content, mode);
  }
}

void MemoryFiles::put_link(const std::string& path, std::string target) {
  put(path, std::move(target), 0777);
  const std::scoped_lock lock(mutex_);
  now_[path].kind = durable_[path].kind = Kind::symlink;
}

void MemoryFiles::put_unsynced(const std::string& path, std::string content) {
  const std::scoped_lock lock(mutex_);
  add_parents(now_, path, make_node(Kind::directory, {}, 0755));
  now_[path] = make_node(Kind::file, std::move(content), 0644);
}

void MemoryFiles::kill_at(int change, Kill kind) {
  const std::scoped_lock lock(mutex_);
  kill_at_ = change;
  kill_ = kind;
}

void MemoryFiles::fail_at(int change, Error error) {
  const std::scoped_lock lock(mutex_);
  fail_at_ = change;
  failure_ = std::move(error);
}

void MemoryFiles::set_bytes_free(std::optional<std::uint64_t> bytes) {
  const std::scoped_lock lock(mutex_);
  bytes_free_ = bytes;
}

void MemoryFiles::set_space(io::Space space) {
  const std::scoped_lock lock(mutex_);
  space_ = space;
}

void MemoryFiles::set_space_of(const std::string& path, std::optional<io::Space> space) {
  const std::scoped_lock lock(mutex_);
  spaces_[path] = space;
}

void MemoryFiles::fail_reads_of(const std::string& path, Error error) {
  const std::scoped_lock lock(mutex_);
  read_failures_.insert_or_assign(path, std::move(error));
}

void MemoryFiles::spare(std::string ending) {
  const std::scoped_lock lock(mutex_);
  spared_ = std::move(ending);
}

void MemoryFiles::power_cut() {
  restart();
  const std::scoped_lock lock(mutex_);
  now_ = durable_;
}

void MemoryFiles::restart() {
  const std::scoped_lock lock(mutex_);
  dead_ = false;
  kill_at_.reset();
  fail_at_.reset();
}

std::vector<std::string> MemoryFiles::changes() const {
  const std::scoped_lock lock(mutex_);
  return changes_;
}

int MemoryFiles::change_count() const { return static_cast<int>(changes().size()); }

std::map<std::string, std::string> MemoryFiles::content() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, std::string> files;
  for (const auto& [path, node] : now_)
    if (node.kind == Kind::file) files.emplace(path, node.content);
  return files;
}

const MemoryFiles::Node* MemoryFiles::find(const std::string& path) const {
  static const Node root{Kind::directory, {}, 0755, {}};
  if (path == "/" || path.empty() || path == ".") return &root;
  const auto found = now_.find(path);
  return found == now_.end() ? nullptr : &found->second;
}

const MemoryFiles::Node* MemoryFiles::follow(std::string path) const {
  constexpr int kLinksMax = 8;
  for (int i = 0; i < kLinksMax; ++i) {
    const Node* node = find(path);
    if (!node || node->kind != Kind::symlink) return node;
    path = node->content.starts_with("/") ? node->content : parent_of(path) + "/" + node->content;
  }
  return nullptr;
}

Status MemoryFiles::check_parent(const std::string& path) const {
  const Node* parent = follow(parent_of(path));
  if (parent && parent->kind == Kind::directory) return {};
  return absent("cannot create", path);
}

Status MemoryFiles::check_room(const std::string& path, std::size_t bytes_new) const {
  if (!bytes_free_ || bytes_new <= *bytes_free_) return {};
  return Error(Code::resource_exhausted, "cannot write to " + path + ": No space left on device", "disk-full");
}

Result<std::string> MemoryFiles::read(const std::string& path, std::size_t bytes_max) const {
  const std::scoped_lock lock(mutex_);
  if (const auto failure = read_failures_.find(path); failure != read_failures_.end()) return failure->second;
  const Node* node = follow(normal(path));
  if (!node) return absent("cannot open", path);
  if (node->kind == Kind::directory) return Error(Code::invalid_argument, "cannot read " + path + ": Is a directory");
  if (node->content.size() > bytes_max)
    return Error(Code::resource_exhausted, path + " is larger than " + std::to_string(bytes_max) + " bytes",
                 "file-too-large");
  return node->content;
}

Status MemoryFiles::write_durable(const std::string& path, std::string_view content, std::uint32_t mode) {
  const std::scoped_lock lock(mutex_);
  return change("write_durable " + path, true, [&](Tree& tree, bool torn) -> Status {
    BELAY_TRY(check_parent(path));
    BELAY_TRY(check_room(path, content.size()));
    if (torn) return {};
    if (const auto old = tree.find(path); old != tree.end() && old->second.kind == Kind::directory)
      return Error(Code::invalid_argument, "cannot replace " + path + ": Is a directory");
    tree[path] = make_node(Kind::file, std::string(content), mode);
    if (bytes_free_ && &tree == &durable_) *bytes_free_ -= content.size();
    return {};
  });
}

Status MemoryFiles::append_durable(const std::string& path, std::string_view content, std::uint32_t mode) {
  const std::scoped_lock lock(mutex_);
  return change("append_durable " + path, true, [&](Tree& tree, bool torn) -> Status {
    BELAY_TRY(check_parent(path));
    BELAY_TRY(check_room(path, content.size()));
    auto& node = tree.try_emplace(path, make_node(Kind::file, {}, mode)).first->second;
    if (node.kind == Kind::directory) return Error(Code::invalid_argument, "cannot open " + path + ": Is a directory");
    node.content += torn ? content.substr(0, content.size() / 2) : content;
    if (bytes_free_ && &tree == &durable_) *bytes_free_ -= content.size();
    return {};
  });
}

Status MemoryFiles::rename_durable(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  return change("rename_durable " + from + " " + to, true, [&](Tree& tree, bool torn) -> Status {
    if (torn) return {};
    if (!find(from) && &tree == &now_) return absent("cannot rename", from);
    BELAY_TRY(check_parent(to));
    Tree moved;
    for (auto it = tree.begin(); it != tree.end();) {
      if (it->first != from && !lies_below(it->first, from)) {
        ++it;
        continue;
      }
      moved.emplace(to + it->first.substr(from.size()), std::move(it->second));
      it = tree.erase(it);
    }
    for (auto& [path, node] : moved) tree.insert_or_assign(path, std::move(node));
    return {};
  });
}

Status MemoryFiles::exchange_durable(const std::string& one, const std::string& other) {
  const std::scoped_lock lock(mutex_);
  return change("exchange_durable " + one + " " + other, true, [&](Tree& tree, bool torn) -> Status {
    if (torn) return {};
    for (const auto& path : {one, other})
      if (!find(path) && &tree == &now_) return absent("cannot exchange", path);
    Tree moved;
    for (const auto& [from, to] : {std::pair(one, other), std::pair(other, one)})
      for (const auto& [path, node] : tree)
        if (path == from || lies_below(path, from)) moved.emplace(to + path.substr(from.size()), node);
    std::erase_if(tree, [&](const auto& item) {
      return item.first == one || item.first == other || lies_below(item.first, one) || lies_below(item.first, other);
    });
    tree.merge(moved);
    return {};
  });
}

Status MemoryFiles::remove(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  return change("remove " + path, true, [&](Tree& tree, bool torn) -> Status {
    if (torn) return {};
    const auto found = tree.find(path);
    if (found == tree.end()) return {};
    if (found->second.kind == Kind::directory)
      return Error(Code::invalid_argument, "cannot remove " + path + ": Is a directory");
    tree.erase(found);
    return {};
  });
}

Status MemoryFiles::remove_tree(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  const std::string root = normal(path);
  return change("remove_tree " + path, false, [&](Tree& tree, bool torn) -> Status {
    if (torn) return {};
    if (root == "/") return Error(Code::invalid_argument, "the root directory cannot be removed");
    std::erase_if(tree, [&](const auto& item) { return item.first == root || lies_below(item.first, root); });
    return {};
  });
}

Status MemoryFiles::make_directories(const std::string& path, std::uint32_t mode) {
  const std::scoped_lock lock(mutex_);
  const std::string wanted = normal(path);
  return change("make_directories " + path, true, [&](Tree& tree, bool torn) -> Status {
    if (torn || wanted == "/") return {};
    const Node directory = make_node(Kind::directory, {}, mode);
    add_parents(tree, wanted, directory);
    if (tree.try_emplace(wanted, directory).first->second.kind == Kind::directory) return {};
    return Error(Code::already_exists, path + " exists and is no directory; remove or rename it");
  });
}

Result<std::vector<std::string>> MemoryFiles::list(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  const std::string folder = normal(path);
  const Node* node = follow(folder);
  if (!node || node->kind != Kind::directory) return absent("cannot list", path);
  std::vector<std::string> names;
  for (const auto& [child, unused] : now_)
    if (parent_of(child) == folder) names.push_back(child.substr(child.rfind('/') + 1));
  std::sort(names.begin(), names.end());
  return names;
}

Result<io::FileInfo> MemoryFiles::info(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  const Node* node = find(normal(path));
  if (!node) return absent("cannot look at", path);
  return io::FileInfo{node->kind, node->content.size(), node->modified, node->mode, 0};
}

Result<std::string> MemoryFiles::read_link(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  const Node* node = find(path);
  if (!node) return absent("cannot read the link", path);
  if (node->kind != Kind::symlink)
    return Error(Code::invalid_argument, "cannot read the link " + path + ": Invalid argument");
  return node->content;
}

Result<io::Space> MemoryFiles::space(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  if (const auto own = spaces_.find(path); own != spaces_.end()) {
    if (!own->second) return absent("cannot measure", path);
    return *own->second;
  }
  auto space = space_;
  if (bytes_free_) space.bytes_free = *bytes_free_;
  return space;
}

}  // namespace belay::fakes
