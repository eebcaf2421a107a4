#pragma once
// Documents by name: the built-in ones (core/document) and the operators' own (store/documents).
#include <string>
#include <string_view>

#include "core/document/expand.hpp"
#include "store/documents.hpp"

namespace belay::server {

struct FoundDocument {
  std::string name;     // as it was asked for, without an ARN's beginning
  std::string version;  // "3"
  std::string document_type = "Command";
  document::Format format = document::Format::YAML;
  std::string content;
  bool built_in = false;
};
// `version`: "", "$DEFAULT", "$LATEST" or a number; or a version's name. not_found "InvalidDocument" where there is no
// such document; invalid_argument "InvalidDocumentVersion".
Result<FoundDocument> find_document(store::Sql& sql, std::string_view name, std::string_view version,
                                    std::string_view version_name = {});
// An ARN names a document by its last part.
std::string_view document_name_of(std::string_view name_or_arn);

// Puts the text of every document that a step downloads (SSMDocument) into the step, as it is now: not_found
// "InvalidDocument". resource_exhausted where they are more than 1 MiB together.
Status send_documents_along(store::Sql& sql, std::vector<document::Step>& steps);

// For documents that run others. Valid as long as the transaction.
document::Resolver document_resolver(store::Sql& sql);

}  // namespace belay::server
