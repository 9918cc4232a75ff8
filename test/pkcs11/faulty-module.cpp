// A PKCS#11 module that forwards everything to SoftHSM, except for the fault that it is compiled
// with. SoftHSM itself never locks, never fails, and always wraps its points.
#include <dlfcn.h>
#include <cstring>
#include <pkcs11/pkcs11.h>

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST faulty;

#ifdef FAULT_LOCKED
static CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE, CK_UTF8CHAR_PTR, CK_ULONG) { return CKR_PIN_LOCKED; }
#endif

#ifdef FAULT_BROKEN_SIGNATURE
static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR size) {
  CK_RV rv = real->C_Sign(session, data, length, signature, size);
  if (rv == CKR_OK && signature != nullptr) signature[*size - 1] ^= 1;
  return rv;
}
#endif

#ifdef FAULT_DEVICE_ERROR
static CK_RV sign(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR) { return CKR_DEVICE_ERROR; }
#endif

#ifdef FAULT_BARE_POINT
// On P-256 the octet string around a point is two bytes.
static CK_RV attribute(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; i++) {
    CK_BYTE wrapped[512];
    CK_ATTRIBUTE asked = {attributes[i].type, wrapped, sizeof wrapped};
    CK_RV rv = real->C_GetAttributeValue(session, object, &asked, 1);
    if (rv != CKR_OK) return rv;
    CK_ULONG skipped = asked.type == CKA_EC_POINT ? 2 : 0;
    attributes[i].ulValueLen = asked.ulValueLen - skipped;
    if (attributes[i].pValue != nullptr) memcpy(attributes[i].pValue, wrapped + skipped, attributes[i].ulValueLen);
  }
  return CKR_OK;
}
#endif

extern "C" CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  void *softhsm = dlopen(SOFTHSM, RTLD_NOW | RTLD_LOCAL);
  if (softhsm == nullptr) return CKR_GENERAL_ERROR;
  auto get = (CK_C_GetFunctionList)dlsym(softhsm, "C_GetFunctionList");
  CK_RV rv = get(&real);
  if (rv != CKR_OK) return rv;
  faulty = *real;
#ifdef FAULT_LOCKED
  faulty.C_Login = login;
#endif
#if defined FAULT_BROKEN_SIGNATURE || defined FAULT_DEVICE_ERROR
  faulty.C_Sign = sign;
#endif
#ifdef FAULT_BARE_POINT
  faulty.C_GetAttributeValue = attribute;
#endif
  *list = &faulty;
  return CKR_OK;
}
