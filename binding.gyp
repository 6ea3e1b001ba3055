{
  'targets': [
    {
      'target_name': 'dsrl_native',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'inputs': ['CMakeLists.txt'],
          'outputs': ['<(PRODUCT_DIR)/dsrl-native.node'],
          'action': ['node', 'scripts/build-native.mjs']
        }
      ]
    }
  ]
}
